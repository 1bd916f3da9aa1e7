"""What people type for an option: read, or refused with one sentence."""

from uuid import UUID

import click

from models.db import Connection
from models.joining import NAME_CHARACTERS_MAX
from models.mailbox import plain_email
from models.partner import by_slug, kind_of

KINDS = {
    "COMPANY": "a company",
    "SCHOOL": "a school",
    "AGENCY": "an agency",
    "REFERRER": "a referrer",
    "COMMUNITY": "a community body",
}


def name(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    """A name as people read it: of a member, or of a client on the consent page."""
    if given is not None and not (given.isprintable() and 1 <= len(given.strip()) <= NAME_CHARACTERS_MAX):
        raise click.BadParameter(f"a name has 1 to {NAME_CHARACTERS_MAX} characters on one line")
    return given and given.strip()


def email(_context: click.Context, _option: click.Parameter, given: str) -> str:
    """An e-mail address."""
    if plain_email(given) is None:
        raise click.BadParameter("this is not an e-mail address, such as hanako@example.com")
    return given


async def partner_of(connection: Connection, slug: str, called: str = "partner") -> UUID:
    """The partner of a short name; `called`: the word for what is not there."""
    found = await by_slug(connection, slug)
    if found is None:
        raise click.ClickException(f"there is no {called} {slug!r}: --partner takes its short name (slug)")
    return found


async def company_of(connection: Connection, slug: str) -> UUID:
    """The company of a short name."""
    found = await partner_of(connection, slug, "company")
    kind = await kind_of(connection, found)
    if kind != "COMPANY":
        raise click.ClickException(f"{slug!r} is {KINDS[kind]}: --partner takes a company's short name (slug)")
    return found

"""What people type for an option, refused with one sentence before the database would."""

import click

from models.candidate import plain_email
from models.joining import NAME_CHARACTERS_MAX


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

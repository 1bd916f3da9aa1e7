"""What people who develop for a partner do with its clients: never more than their own role could grant.

Otherwise a DEVELOPER would give a new secret to an administrator's client, and hold with it what their role does not.
"""

from auth import client as rules
from auth import scopes
from auth.tokens import REVOCATION_KEPT_SECONDS, Tokens
from models import audit, client
from models.client import Client, Credentials, find_client
from models.db import Connection
from models.member import Member

ROLES = ("ADMIN", "DEVELOPER")


class NotYoursError(Exception):
    """There is no such client of the person's partner, or it holds scopes that their role does not."""


class TwoSecretsError(Exception):
    """The client has two secrets, or none: a new one waits until the one before is ended."""


def held_by(person: Member) -> frozenset[str]:
    """The scopes that this person may give to a client, and with which they may look after one."""
    return scopes.CLIENT_SCOPES["PARTNER"] & scopes.ROLE_SCOPES[person.role] | scopes.IDENTITY.keys()


async def create(connection: Connection, person: Member, document: object) -> Credentials:
    """Registers a client of the person's partner from client metadata (RFC 7591). Raises MetadataError."""
    made = await rules.add(connection, person.partner_id, rules.checked(document, held_by(person)))
    await _record(connection, "client.registered", person, made.client_id)
    return made


async def owned(connection: Connection, person: Member, client_id: str) -> Client:
    """The client of this id, for somebody who may look after it. Raises NotYoursError."""
    found = await find_client(connection, client_id)
    if found is None or found.partner_id != person.partner_id or not found.scope <= held_by(person):
        raise NotYoursError
    return found


async def rotate(connection: Connection, of: Client, by: Member | None) -> str:
    """A new secret, told once; the one before opens for a day. `by`: None for the operator. Raises TwoSecretsError."""
    secret = await client.rotate(connection, of.client_id)
    if secret is None:
        raise TwoSecretsError
    await _record(connection, "client.secret_rotated", by or of, of.client_id)
    return secret


async def end_previous(connection: Connection, of: Client, by: Member | None) -> None:
    """Ends the secret before, if there is one; tokens that it got live on for their few minutes."""
    if await client.end_previous(connection, of.client_id):
        await _record(connection, "client.secret_ended", by or of, of.client_id)


async def remove(connection: Connection, of: Client, by: Member | None, tokens: Tokens | None) -> None:
    """Ends a client with all its tokens, in every worker. `tokens`: of this one, where it serves."""
    await client.remove(connection, of, keep_seconds=REVOCATION_KEPT_SECONDS)
    if tokens:
        tokens.forget(of.id)
    await _record(connection, "client.removed", by or of, of.client_id)


async def _record(connection: Connection, action: str, by: Member | Client, client_id: str) -> None:
    member_id = by.id if isinstance(by, Member) else None
    await audit.record(connection, action, partner_id=by.partner_id, member_id=member_id, client_id=client_id)

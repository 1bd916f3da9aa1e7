"""A partner's own identity provider (社内アカウント), and who its subjects are here."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID

from models import seal
from models.db import Connection, queries, uuid7
from models.member import Member, find_member, folded

REQUEST_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Provider:
    """Where the people of one partner log in, and as which client we ask there. `required`: and nowhere else."""

    id: UUID
    partner_id: UUID
    issuer: str
    client_id: str
    sealed_secret: bytes = field(repr=False)
    required: bool
    domains: list[str]

    @property
    def secret(self) -> str:
        """What we prove ourselves with at the provider. Raises models.seal.Unreadable under another master key."""
        return seal.unseal(self.sealed_secret, context=_place(self.id)).decode()


async def put(
    connection: Connection,
    partner_id: UUID,
    *,
    issuer: str,
    client_id: str,
    secret: str,
    domains: Iterable[str],
    required: bool,
) -> Provider:
    """Names a partner's provider, or names it anew; with another issuer everybody is linked anew.

    Where it becomes `required`, logins that were proven another way end.
    Raises asyncpg.UniqueViolationError for a domain that is another partner's, and asyncpg.CheckViolationError for
    one that is none.
    """
    words = {"partner_id": partner_id, "issuer": issuer}
    await queries("identity_provider").forget_of_other_issuer(connection, **words)
    row = await queries("identity_provider").put(
        connection, **words, id=uuid7(), client_id=client_id, sealed_secret=b"", required=required
    )
    sealed = seal.seal(secret.encode(), context=_place(row["id"]))
    await queries("identity_provider").put_secret(connection, id=row["id"], sealed_secret=sealed)
    await queries("identity_provider").drop_domains(connection, provider_id=row["id"])
    for domain in sorted({each.strip().lower() for each in domains}):
        await queries("identity_provider").add_domain(connection, domain=domain, provider_id=row["id"])
    if required:
        await close_other_sessions(connection, partner_id)
    found = await of_partner(connection, partner_id)
    assert found is not None
    return found


async def close_other_sessions(connection: Connection, partner_id: UUID) -> int:
    """Ends the logins of a partner's people that were not proven at its provider; returns how many."""
    closed = queries("identity_provider").close_sessions(connection, partner_id=partner_id)
    return len([row async for row in closed])


async def of_email(connection: Connection, email: str) -> Provider | None:
    """The provider that addresses of this domain belong to, whether or not anybody has this one."""
    domain = folded(email).rpartition("@")[2]
    return _provider(await queries("identity_provider").by_domain(connection, domain=domain))


async def of_partner(connection: Connection, partner_id: UUID) -> Provider | None:
    """The partner's provider; None when its people log in here."""
    return _provider(await queries("identity_provider").by_partner(connection, partner_id=partner_id))


async def is_required(connection: Connection, partner_id: UUID) -> bool:
    """Whether the partner's people log in with its provider, and in no other way."""
    return await queries("identity_provider").is_required(connection, partner_id=partner_id)


async def find(connection: Connection, provider_id: UUID) -> Provider | None:
    """The provider of this id."""
    return _provider(await queries("identity_provider").by_id(connection, id=provider_id))


async def remove(connection: Connection, partner_id: UUID) -> bool:
    """Ends the use of a partner's provider; False when there is none."""
    return bool(await queries("identity_provider").remove(connection, partner_id=partner_id))


async def begin(connection: Connection, provider: Provider, *, state: str, browser: str, target: str) -> None:
    """Remembers a login that is sent to the provider. `browser`: the secret of the browser; `target`: where to then."""
    await queries("identity_provider").begin(
        connection,
        provider_id=provider.id,
        state_hash=_digest(state),
        browser_hash=_digest(browser),
        target=target,
        life_seconds=REQUEST_SECONDS,
    )


async def finish(connection: Connection, provider: Provider, *, state: str, browser: str) -> str | None:
    """Where a login that came back leads; None when it was not begun so, has come back before or took too long."""
    row = await queries("identity_provider").finish(
        connection, provider_id=provider.id, state_hash=_digest(state), browser_hash=_digest(browser)
    )
    return None if row is None else row["target"]


async def person(connection: Connection, provider: Provider, subject: str, email: str) -> Member | None:
    """Who a subject of the provider is, linked for ever at their first login by the address that it vouches for.

    None where nobody of the partner has the address, somebody else is linked with them, or their access has ended.
    """
    words: dict[str, Any] = {"provider_id": provider.id, "subject": subject}
    row = await queries("identity_provider").linked(connection, **words)
    member_id: UUID | None
    if row is not None:
        member_id = row["member_id"]
    else:
        member_id = await queries("identity_provider").link(
            connection, **words, email=folded(email), partner_id=provider.partner_id
        )
    if member_id is None:
        return None
    await queries("identity_provider").address_verified(connection, member_id=member_id, email=folded(email))
    found = await find_member(connection, member_id)
    return found if found and found.partner_id == provider.partner_id else None


async def sweep(connection: Connection) -> None:
    """Deletes logins that never came back."""
    await queries("identity_provider").sweep(connection)


def _provider(row: Any) -> Provider | None:
    return None if row is None else Provider(**row)


def _place(provider_id: UUID) -> bytes:
    return b"identity_provider" + provider_id.bytes


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()

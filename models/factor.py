"""What a person proves themselves with besides the password (二要素認証)."""

from dataclasses import dataclass
from uuid import UUID

from models.db import Connection, queries


@dataclass(frozen=True, slots=True)
class Factors:
    """What a person has set up. With an app or a passkey, their password alone no longer opens the account."""

    app: bool
    passkeys: int
    recovery_codes: int

    @property
    def any(self) -> bool:
        """Whether a second factor is demanded after the password."""
        return self.app or self.passkeys > 0


async def factors(connection: Connection, member_id: UUID) -> Factors:
    """What a person has set up."""
    row = await queries("factor").factors(connection, member_id=member_id)
    return Factors(**row)


async def forget_unneeded_codes(connection: Connection, member_id: UUID) -> None:
    """Recovery codes stand in for a factor: without one there is nothing to recover."""
    await queries("factor").forget_unneeded_codes(connection, member_id=member_id)


async def reset(connection: Connection, member_id: UUID) -> None:
    """Forgets every second factor of a person, and ends their sessions."""
    await queries("factor").forget(connection, member_id=member_id)
    await queries("member").close_sessions(connection, member_id=member_id)  # whoever came in by one until just now too

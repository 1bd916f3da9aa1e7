"""An authenticator app's secret (認証アプリ), and the recovery codes (回復コード) for when every factor is lost."""

import secrets
import unicodedata
from uuid import UUID

from models import seal
from models.db import Connection, queries

RECOVERY_CODES = 10
RECOVERY_CHARACTERS = 10  # of 30 signs: 49 bits, behind the brake on guessing
RECOVERY_SIGNS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


async def add(connection: Connection, member_id: UUID, secret: str, step: int) -> bool:
    """Keeps a secret that its owner has shown to work with the code of `step`; False when they have one already."""
    sealed = seal.seal(secret.encode(), context=_place(member_id))
    return bool(await queries("totp").add(connection, member_id=member_id, sealed=sealed, step=step))


async def secret(connection: Connection, member_id: UUID) -> str | None:
    """The shared secret (base32); None when the person has no app."""
    sealed = await queries("totp").sealed(connection, member_id=member_id)
    return None if sealed is None else seal.unseal(sealed, context=_place(member_id)).decode()


async def use_step(connection: Connection, member_id: UUID, step: int) -> bool:
    """Uses up a step's code, with all before it, for the one caller who comes first; False for everybody else."""
    return bool(await queries("totp").use_step(connection, member_id=member_id, step=step))


async def remove(connection: Connection, member_id: UUID) -> bool:
    """Forgets the app; False when there was none."""
    return bool(await queries("totp").remove(connection, member_id=member_id))


async def make_recovery_codes(connection: Connection, member_id: UUID) -> list[str]:
    """New recovery codes in place of all earlier ones; they are never shown again."""
    made = ["".join(secrets.choice(RECOVERY_SIGNS) for _ in range(RECOVERY_CHARACTERS)) for _ in range(RECOVERY_CODES)]
    await queries("totp").forget_recovery_codes(connection, member_id=member_id)
    await queries("totp").add_recovery_codes(
        connection, member_id=member_id, code_hashes=[_digest(member_id, code) for code in made]
    )
    half = RECOVERY_CHARACTERS // 2
    return [f"{code[:half]}-{code[half:]}" for code in made]


async def use_recovery_code(connection: Connection, member_id: UUID, given: str) -> bool:
    """Uses up one code, however it was typed; False when it is not theirs or was used."""
    folded = unicodedata.normalize("NFKC", given).upper()
    code = "".join(sign for sign in folded if sign.isalnum())
    used = queries("totp").use_recovery_code(connection, member_id=member_id, code_hash=_digest(member_id, code))
    return bool(await used)


def _digest(member_id: UUID, code: str) -> bytes:
    return seal.blind_index("recovery code", f"{member_id} {code}")


def _place(member_id: UUID) -> bytes:
    return b"totp" + member_id.bytes

"""Passkeys (WebAuthn): what is asked of an authenticator, and whether its answer proves anything."""

import secrets
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from webauthn.helpers import parse_authentication_credential_json, parse_registration_credential_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialCreationOptions,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRequestOptions,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from auth import session
from models import replay
from models.db import Connection
from models.passkey import Passkey

NAME = "Kyoso 共創"
CHALLENGE_BYTES = 32
REASON_CHARACTERS = 200
LOGIN, REGISTRATION = "passkey login", "passkey registration"
ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,  # all that older Windows machines know
]


class PasskeyError(Exception):
    """The answer proves nothing. The text is for the record and never for whoever sent it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason[:REASON_CHARACTERS])


@dataclass(frozen=True, slots=True)
class Question:
    """What a page's form carries: `options` (JSON) for the browser, and the `ticket` that comes back with an answer."""

    options: str
    ticket: str


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What an authenticator made; the fields of `models.passkey.Passkey`."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    synced: bool
    backed_up: bool
    transports: list[str]


def is_possible(issuer: str) -> bool:
    """Whether browsers offer passkeys at this address: at a name, not at a bare IP address."""
    try:
        ip_address(_host(issuer))
    except ValueError:
        return True
    return False


def login_question(
    issuer: str, cookie: str, allowed: Sequence[Passkey] = (), *, member_id: UUID | None = None
) -> Question | None:
    """Asks for any passkey that the browser finds; or, after the password, for one of a person's (`allowed`).

    None where passkeys are not possible. `cookie`: of the browser that is asked.
    """
    if not is_possible(issuer):
        return None
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    asked = webauthn.generate_authentication_options(
        rp_id=_host(issuer),
        challenge=challenge,
        allow_credentials=_described(allowed),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _question(asked, challenge, LOGIN, cookie, member_id)


def registration_question(
    issuer: str, cookie: str, known: Sequence[Passkey], *, member_id: UUID, email: str, name: str
) -> Question | None:
    """Asks a person's authenticator for a new passkey: one that finds its owner by itself and verifies them."""
    if not is_possible(issuer):
        return None
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    asked = webauthn.generate_registration_options(
        rp_id=_host(issuer),
        rp_name=NAME,
        user_id=member_id.bytes,
        user_name=email,
        user_display_name=name,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_described(known),
        supported_pub_key_algs=ALGORITHMS,
    )
    return _question(asked, challenge, REGISTRATION, cookie, member_id)


async def answered(connection: Connection, ticket: str, purpose: str, cookie: str) -> tuple[bytes, UUID | None]:
    """The challenge of a question of ours and whom it was put to, for the first answer to it and no other.

    Raises PasskeyError.
    """
    facts = session.read_ticket(ticket, purpose, cookie)
    if facts is None:
        raise PasskeyError("no question of ours, or one for another browser or of long ago")
    if not await replay.first_use(connection, purpose, facts["challenge"], keep_seconds=session.TICKET_SECONDS):
        raise PasskeyError("the question was answered before")
    return bytes.fromhex(facts["challenge"]), UUID(facts["member"]) if facts["member"] else None


def registered(issuer: str, challenge: bytes, answer: str) -> NewPasskey:
    """The passkey that was made; raises PasskeyError."""
    with _judging():
        given = parse_registration_credential_json(answer)
        made = webauthn.verify_registration_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=_host(issuer),
            expected_origin=issuer,
            require_user_verification=True,
            supported_pub_key_algs=ALGORITHMS,
        )
    return NewPasskey(
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        synced=made.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        backed_up=made.credential_backed_up,
        transports=[str(each.value) for each in given.response.transports or []],
    )


def claimed(answer: str) -> bytes:
    """Which passkey an answer speaks for, before anything about it is believed; raises PasskeyError."""
    with _judging():
        return parse_authentication_credential_json(answer).raw_id


def proven(issuer: str, challenge: bytes, answer: str, passkey: Passkey) -> tuple[int, bool]:
    """The count of uses and whether the key is copied, as the authenticator of this passkey says now.

    Raises PasskeyError: for another challenge, origin or key, an unverified person, or a count that fell behind.
    """
    with _judging():
        given = parse_authentication_credential_json(answer)
        seen = webauthn.verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=_host(issuer),
            expected_origin=issuer,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    if given.response.user_handle not in (None, passkey.member_id.bytes):
        raise PasskeyError("another person's user handle")
    if (seen.credential_device_type is CredentialDeviceType.MULTI_DEVICE) != passkey.synced:
        raise PasskeyError("another kind of passkey than was registered")
    return seen.new_sign_count, seen.credential_backed_up


def _question(
    asked: PublicKeyCredentialCreationOptions | PublicKeyCredentialRequestOptions,
    challenge: bytes,
    purpose: str,
    cookie: str,
    member_id: UUID | None,
) -> Question:
    facts = {"challenge": challenge.hex(), "member": str(member_id or "")}
    return Question(webauthn.options_to_json(asked), session.ticket(purpose, cookie, **facts))


@contextmanager
def _judging() -> Generator[None]:
    try:
        yield
    except Exception as error:  # the library's parsers raise whatever the bytes lead them into
        raise PasskeyError(str(error)) from error


def _described(passkeys: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    known = {each.value for each in AuthenticatorTransport}
    return [
        PublicKeyCredentialDescriptor(
            each.credential_id,
            transports=[AuthenticatorTransport(way) for way in each.transports if way in known] or None,
        )
        for each in passkeys
    ]


def _host(issuer: str) -> str:
    return urlsplit(issuer).hostname or ""

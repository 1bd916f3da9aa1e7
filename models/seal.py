"""Sealing (暗号化): personal data under each person's key, blobs under the network's, tokens that stand for people.

One master key; every purpose has a key of its own, derived by HKDF-SHA256 (RFC 5869), so that what one purpose
reveals says nothing about another. A sealed value is nonce (12 bytes) + AES-256-GCM ciphertext and tag, bound to the
place it stands in: moved to another row, it does not open.
"""

import base64
import binascii
import hmac
import os
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
NONCE_BYTES = 12
TOKEN_MAC_BYTES = 16  # 128 bits
TOKEN_CHARACTERS = 43  # base64url of a UUID and its MAC, without padding
EMAIL_INDEX_BYTES = 32

TOKEN_PURPOSES = (
    "relay",
    "relay-own",
    "referral",
    "referral-own",
    "survey",
    "page",
    "page-part",
    "confirmation",
    "joining",
)

Random = Callable[[int], bytes]
NOBODY: Mapping[str, UUID] = {}


class Unreadable(Exception):  # noqa: N818  (a state of the value, as the reader meets it)
    """A sealed value that does not open: another master key, another place, or changed bytes."""


@dataclass(frozen=True, slots=True)
class _Keys:
    index: bytes = field(repr=False)
    blobs: AESGCM = field(repr=False)
    people: AESGCM = field(repr=False)
    tokens: dict[str, bytes] = field(repr=False)


_keys: _Keys | None = None


def use(master_key: bytes) -> None:
    """Derives every key from the installation's master key (32 bytes); once, before anything is sealed or opened."""
    global _keys
    if len(master_key) != KEY_BYTES:
        raise ValueError(f"the master key must be {KEY_BYTES} bytes long")

    def derived(purpose: str) -> bytes:
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"kyoso/{purpose}/1".encode()).derive(master_key)

    _keys = _Keys(
        index=derived("email-index"),
        blobs=AESGCM(derived("blob")),
        people=AESGCM(derived("person-key")),
        tokens={purpose: derived(f"token/{purpose}") for purpose in TOKEN_PURPOSES},
    )


def fold_email(email: str) -> str:
    """The address as it is compared: NFKC, without surrounding blanks, lower case. Dots and +tags are left alone."""
    return unicodedata.normalize("NFKC", email).strip().lower()


def email_index(email: str) -> bytes:
    """Blind index (HMAC-SHA256, 32 bytes) of an address: equal for equal addresses, and meaningless without the key."""
    return blind_index("email", fold_email(email))


def blind_index(kind: str, value: str) -> bytes:
    """Blind index of another identifying value; the same value under two kinds is two indexes."""
    return hmac.digest(_ready().index, f"{kind}\0{value}".encode(), "sha256")


def seal(data: bytes, *, context: bytes, random: Random = os.urandom) -> bytes:
    """Seals a blob (an ATS delivery, a secret, a signing key) for one place.

    `context`: where it stands, such as b"ats_delivery" + the row's id; it opens nowhere else. `random` is given only
    where the same seed must give the same bytes.
    """
    return _sealed(_ready().blobs, data, context, random)


def unseal(sealed: bytes, *, context: bytes) -> bytes:
    """The blob; raises Unreadable when key, place or bytes are not those of `seal`."""
    return _opened(_ready().blobs, sealed, context)


def new_person_key(person_id: UUID, *, random: Random = os.urandom) -> tuple[bytes, bytes]:
    """A person's own data key (32 bytes), and the same sealed for their row. Deleting that row erases the person."""
    key = random(KEY_BYTES)
    return key, _sealed(_ready().people, key, person_id.bytes, random)


def open_person_key(sealed: bytes, person_id: UUID) -> bytes:
    """The person's data key; raises Unreadable for another person's."""
    return _opened(_ready().people, sealed, person_id.bytes)


def seal_items(
    key: bytes,
    candidate_id: UUID,
    items: Mapping[str, str],
    addressed: Mapping[str, UUID] = NOBODY,
    *,
    random: Random = os.urandom,
) -> list[bytes]:
    """Seals items of personal data (項目) under their person's key, each for its own row of one candidate.

    `addressed`: the items that are for one partner's eyes, and for whose.
    """
    cipher = AESGCM(key)
    return [
        _sealed(cipher, text.encode(), _place(candidate_id, item, addressed.get(item)), random)
        for item, text in items.items()
    ]


def unseal_item(key: bytes, candidate_id: UUID, item: str, sealed: bytes, addressee_id: UUID | None = None) -> str:
    """The item's text; raises Unreadable when it was sealed for another candidate, item, addressee or person."""
    cipher = AESGCM(key)
    try:
        return _opened(cipher, sealed, _place(candidate_id, item, addressee_id)).decode()
    except Unreadable:
        if addressee_id is None:
            raise
        # One of the time before items had addressees: it knows of none.
        return _opened(cipher, sealed, _place(candidate_id, item, None)).decode()


def relay_token(invitation_id: UUID, *, own: bool = False) -> str:
    """What makes a relay URL personal (専用URL). `own`: it goes to an address that is beyond doubt the person's."""
    return _token("relay-own" if own else "relay", invitation_id)


def read_relay_token(token: str) -> UUID | None:
    """The invitation; None when the token was not made by `relay_token`."""
    return _subject("relay", token) or _subject("relay-own", token)


def referral_token(referral_id: UUID, *, own: bool = False) -> str:
    """By which the candidate confirms or declines a referral (本人確認). `own` as in `relay_token`."""
    return _token("referral-own" if own else "referral", referral_id)


def read_referral_token(token: str) -> UUID | None:
    """The referral; None when the token was not made by `referral_token`."""
    return _subject("referral", token) or _subject("referral-own", token)


def leads_to_page(token: str) -> bool:
    """Whether a relay's or referral's token may show the way to the person's whole page.

    It may when it was mailed to an address that is the person's own. One that a partner merely claims for them may
    be the partner's own mailbox, and leads to what that partner gave.
    """
    return (_subject("relay-own", token) or _subject("referral-own", token)) is not None


def survey_token(survey_id: UUID) -> str:
    """By which the candidate answers a survey (アンケート)."""
    return _token("survey", survey_id)


def read_survey_token(token: str) -> UUID | None:
    """The survey; None when the token was not made by `survey_token`."""
    return _subject("survey", token)


def page_token(person_id: UUID) -> str:
    """The candidate's own page: what was provided to whom, and how to end it."""
    return _token("page", person_id)


def read_page_token(token: str) -> UUID | None:
    """The person; None when the token was not made by `page_token`."""
    return _subject("page", token)


def page_part_token(candidate_id: UUID) -> str:
    """The part of a person's page that is about what one partner gave: the person as that partner's candidate."""
    return _token("page-part", candidate_id)


def read_page_part_token(token: str) -> UUID | None:
    """The candidate; None when the token was not made by `page_part_token`."""
    return _subject("page-part", token)


def confirmation_token(invitation_id: UUID) -> str:
    """By which a company confirms that it rejected the person who came through its URL."""
    return _token("confirmation", invitation_id)


def read_confirmation_token(token: str) -> UUID | None:
    """The invitation; None when the token was not made by `confirmation_token`."""
    return _subject("confirmation", token)


def joining_token(joining_id: UUID) -> str:
    """By which somebody who was invited becomes a member (招待)."""
    return _token("joining", joining_id)


def read_joining_token(token: str) -> UUID | None:
    """The invitation; None when the token was not made by `joining_token`."""
    return _subject("joining", token)


def _ready() -> _Keys:
    if _keys is None:
        raise RuntimeError("no master key yet: call models.seal.use first")
    return _keys


def _place(candidate_id: UUID, item: str, addressee_id: UUID | None) -> bytes:
    return candidate_id.bytes + item.encode() + (addressee_id.bytes if addressee_id else b"")


def _sealed(cipher: AESGCM, data: bytes, context: bytes, random: Random) -> bytes:
    nonce = random(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, data, context)


def _opened(cipher: AESGCM, sealed: bytes, context: bytes) -> bytes:
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
    except (InvalidTag, ValueError):
        raise Unreadable("a sealed value does not open: another key, another place, or changed bytes") from None


def _token(purpose: str, subject: UUID) -> str:
    mac = hmac.digest(_ready().tokens[purpose], subject.bytes, "sha256")[:TOKEN_MAC_BYTES]
    return base64.urlsafe_b64encode(subject.bytes + mac).rstrip(b"=").decode()


def _subject(purpose: str, token: str) -> UUID | None:
    if len(token) != TOKEN_CHARACTERS or not token.isascii():
        return None
    try:
        subject = UUID(bytes=base64.urlsafe_b64decode(token + "=")[:16])
    except (binascii.Error, ValueError):
        return None
    # Compared as text, so that no other spelling of the same bytes is a second valid token.
    return subject if hmac.compare_digest(token, _token(purpose, subject)) else None

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
from collections.abc import Callable, Iterable, Mapping
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
OWN_TOKEN_CHARACTERS = 64  # and of the mark of an address
EMAIL_INDEX_BYTES = 32

TOKEN_PURPOSES = (
    "relay",
    "relay-own",  # in URLs of the time before tokens bore the mark of an address
    "referral",
    "referral-own",  # likewise
    "survey",
    "page",
    "page-part",
    "confirmation",
    "joining",
    "address",
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


def content_index(of: UUID, content: bytes) -> str:
    """Names what came without an id, such as a row of a file, by its content: 64 hexadecimal digits, always the same
    for one `of`, and made by nobody who merely guesses the content."""
    return hmac.digest(_ready().index, b"content\0" + of.bytes + content, "sha256").hex()


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


def relay_token(invitation_id: UUID, *, own: bytes | None = None) -> str:
    """What makes a relay URL personal (専用URL). `own`: the blind index of the address to which it goes, where that is
    beyond doubt the person's."""
    return _token("relay", invitation_id, own)


def read_relay_token(token: str) -> UUID | None:
    """The invitation; None when the token was not made by `relay_token`."""
    return _subject("relay", token) or _subject("relay-own", token)


def referral_token(referral_id: UUID, *, own: bytes | None = None) -> str:
    """By which the candidate confirms or declines a referral (本人確認). `own` as in `relay_token`."""
    return _token("referral", referral_id, own)


def read_referral_token(token: str) -> UUID | None:
    """The referral; None when the token was not made by `referral_token`."""
    return _subject("referral", token) or _subject("referral-own", token)


def own_address(token: str, addresses: Iterable[bytes]) -> bytes | None:
    """Which of these addresses, a person's own by their blind indexes, the token was mailed to: it then leads to their
    whole page. None for any other.

    An address that a partner merely claims for somebody may be the partner's own mailbox, and one that was theirs may
    be a stranger's, written by a slip: what was mailed there leads to what that partner gave.
    """
    read = _read(token)
    if read is None:
        return None
    subject, _, mark = read
    return next((each for each in addresses if hmac.compare_digest(mark, _mark(subject, each))), None)


def survey_token(survey_id: UUID) -> str:
    """By which the candidate answers a survey (アンケート)."""
    return _token("survey", survey_id)


def read_survey_token(token: str) -> UUID | None:
    """The survey; None when the token was not made by `survey_token`."""
    return _subject("survey", token)


def page_token(person_id: UUID, *, own: bytes) -> str:
    """The candidate's own page: what was provided to whom, and how to end it. `own` as in `relay_token`."""
    return _token("page", person_id, own)


def read_page_token(token: str) -> UUID | None:
    """The person, whose page it is while `own_address` finds the token's among theirs; None when the token was not made
    by `page_token`."""
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


def _token(purpose: str, subject: UUID, own: bytes | None = None) -> str:
    return _spelled(subject.bytes + _mac(purpose, subject.bytes) + (_mark(subject, own) if own else b""))


def _subject(purpose: str, token: str) -> UUID | None:
    read = _read(token)
    if read is None:
        return None
    subject, mac, _ = read
    return subject if hmac.compare_digest(mac, _mac(purpose, subject.bytes)) else None


def _read(token: str) -> tuple[UUID, bytes, bytes] | None:
    """A token's subject, MAC and mark, if it is spelled like one."""
    if len(token) not in (TOKEN_CHARACTERS, OWN_TOKEN_CHARACTERS) or not token.isascii():
        return None
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except binascii.Error:
        return None
    if _spelled(raw) != token:
        return None  # no other spelling of the same bytes is a second valid token
    return UUID(bytes=raw[:16]), raw[16 : 16 + TOKEN_MAC_BYTES], raw[16 + TOKEN_MAC_BYTES :]


def _mark(subject: UUID, address: bytes) -> bytes:
    """Of the address that a token is mailed to: it tells nothing of it, and stands for one subject."""
    return _mac("address", subject.bytes + address)


def _mac(purpose: str, data: bytes) -> bytes:
    return hmac.digest(_ready().tokens[purpose], data, "sha256")[:TOKEN_MAC_BYTES]


def _spelled(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

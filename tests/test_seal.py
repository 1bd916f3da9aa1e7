"""Sealed values open in their own place only, and tokens cannot be made without the key."""

import base64
import hashlib
import string
from uuid import UUID

import pytest

from models import seal

PERSON = UUID("0190c5a0-0000-7000-8000-000000000001")
OTHER_PERSON = UUID("0190c5a0-0000-7000-8000-000000000002")
CANDIDATE = UUID("0190c5a0-0000-7000-8000-00000000000a")
OTHER_CANDIDATE = UUID("0190c5a0-0000-7000-8000-00000000000b")
ADDRESSEE = UUID("0190c5a0-0000-7000-8000-0000000000a1")
OTHER_ADDRESSEE = UUID("0190c5a0-0000-7000-8000-0000000000a2")


def test_a_ciphertext_moved_to_another_row_does_not_open() -> None:
    """proof 5.10: bound to candidate, item and person."""
    key, _ = seal.new_person_key(PERSON)
    other_key, _ = seal.new_person_key(OTHER_PERSON)
    (sealed,) = seal.seal_items(key, CANDIDATE, {"NAME": "山田 太郎"})

    assert seal.unseal_item(key, CANDIDATE, "NAME", sealed) == "山田 太郎"
    for place in ((key, OTHER_CANDIDATE, "NAME"), (key, CANDIDATE, "KANA"), (other_key, CANDIDATE, "NAME")):
        with pytest.raises(seal.Unreadable):
            seal.unseal_item(*place, sealed)


def test_what_is_written_to_one_partner_does_not_open_in_anothers_place() -> None:
    key, _ = seal.new_person_key(PERSON)
    (sealed,) = seal.seal_items(key, CANDIDATE, {"RECOMMENDATION": "推薦文"}, {"RECOMMENDATION": ADDRESSEE})

    assert seal.unseal_item(key, CANDIDATE, "RECOMMENDATION", sealed, ADDRESSEE) == "推薦文"
    for addressee in (OTHER_ADDRESSEE, None):
        with pytest.raises(seal.Unreadable):
            seal.unseal_item(key, CANDIDATE, "RECOMMENDATION", sealed, addressee)


def test_what_was_sealed_before_there_were_addressees_opens() -> None:
    key, _ = seal.new_person_key(PERSON)
    (sealed,) = seal.seal_items(key, CANDIDATE, {"RECOMMENDATION": "推薦文"})

    assert seal.unseal_item(key, CANDIDATE, "RECOMMENDATION", sealed, ADDRESSEE) == "推薦文"
    with pytest.raises(seal.Unreadable):
        seal.unseal_item(key, OTHER_CANDIDATE, "RECOMMENDATION", sealed, ADDRESSEE)


def test_a_person_key_opens_for_its_own_person_only() -> None:
    key, sealed = seal.new_person_key(PERSON)

    assert seal.open_person_key(sealed, PERSON) == key
    with pytest.raises(seal.Unreadable):
        seal.open_person_key(sealed, OTHER_PERSON)


@pytest.mark.parametrize("damage", [b"", b"short", bytes(12), bytes(28)])
def test_damaged_bytes_are_unreadable_and_nothing_else(damage: bytes) -> None:
    with pytest.raises(seal.Unreadable):
        seal.unseal(damage, context=b"place")


def test_a_blob_opens_in_its_own_place_and_under_its_own_master_key_only() -> None:
    sealed = seal.seal(b"delivery", context=b"a")

    assert seal.unseal(sealed, context=b"a") == b"delivery"
    with pytest.raises(seal.Unreadable):
        seal.unseal(sealed, context=b"b")
    seal.use(bytes(32))
    with pytest.raises(seal.Unreadable):
        seal.unseal(sealed, context=b"a")


def test_sealing_twice_shows_no_equality_unless_a_seed_asks_for_it() -> None:
    assert seal.seal(b"same", context=b"") != seal.seal(b"same", context=b"")

    def seeded(size: int) -> bytes:
        return hashlib.shake_256(b"seed").digest(size)

    assert seal.seal(b"same", context=b"", random=seeded) == seal.seal(b"same", context=b"", random=seeded)
    assert seal.new_person_key(PERSON, random=seeded) == seal.new_person_key(PERSON, random=seeded)


def test_the_blind_index_is_the_same_for_every_spelling_of_an_address() -> None:
    index = seal.email_index("taro@example.jp")

    assert len(index) == seal.EMAIL_INDEX_BYTES
    assert seal.email_index("  Taro@Example.JP\n") == index
    assert seal.email_index("ｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐ") == index
    assert seal.email_index("taro+1@example.jp") != index
    seal.use(bytes(32))
    assert seal.email_index("taro@example.jp") != index


def test_a_token_stands_for_one_subject_and_one_purpose() -> None:
    token = seal.relay_token(CANDIDATE)

    assert len(token) == seal.TOKEN_CHARACTERS
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")
    assert seal.read_relay_token(token) == CANDIDATE
    others = (
        seal.read_referral_token,
        seal.read_survey_token,
        seal.read_page_token,
        seal.read_confirmation_token,
    )
    assert [read(token) for read in others] == [None] * 4
    assert seal.read_referral_token(seal.referral_token(PERSON)) == PERSON
    assert seal.read_survey_token(seal.survey_token(PERSON)) == PERSON
    assert seal.read_page_token(seal.page_token(PERSON, own=seal.email_index("taro@example.jp"))) == PERSON
    assert seal.read_confirmation_token(seal.confirmation_token(PERSON)) == PERSON


def test_a_token_bears_the_mark_of_the_address_that_it_was_mailed_to() -> None:
    """Whoever reads it learns nothing of the address, nor what other tokens went there."""
    own, other = seal.email_index("taro@example.jp"), seal.email_index("jiro@example.jp")
    token = seal.relay_token(CANDIDATE, own=own)

    assert len(token) == seal.OWN_TOKEN_CHARACTERS
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")
    assert seal.read_relay_token(token) == CANDIDATE
    assert seal.read_referral_token(token) is None
    assert seal.own_address(token, [other, own]) == own
    assert [seal.own_address(token, given) for given in ([], [other])] == [None, None]
    assert seal.own_address(seal.relay_token(CANDIDATE), [own]) is None
    assert token[-21:] != seal.relay_token(PERSON, own=own)[-21:]
    raw = base64.urlsafe_b64decode(token)
    others = base64.urlsafe_b64decode(seal.relay_token(PERSON) + "=")
    for changed in (others + raw[32:], raw[:-1] + bytes([raw[-1] ^ 1]), raw[:32], raw[:32] + bytes(16)):
        assert seal.own_address(base64.urlsafe_b64encode(changed).decode().rstrip("="), [own]) is None
    assert seal.read_relay_token("!" * 64) is None


def test_a_token_of_the_time_before_marks_opens_and_is_nobodys_own() -> None:
    token = "AZDFoAAAcACAAAAAAAAACugOhrme7SS_bE5PS-F9Fc0"

    assert seal.read_relay_token(token) == CANDIDATE
    assert seal.own_address(token, [seal.email_index("taro@example.jp")]) is None


def test_no_other_spelling_of_a_token_is_accepted() -> None:
    token = seal.relay_token(CANDIDATE)
    raw = base64.urlsafe_b64decode(token + "=")
    same_bytes = [token[:-1] + last for last in string.ascii_letters + string.digits + "-_"]
    same_bytes = [other for other in same_bytes if base64.urlsafe_b64decode(other + "=") == raw]
    assert len(same_bytes) == 4  # two spare bits: four spellings decode alike

    assert [other for other in same_bytes if seal.read_relay_token(other) is not None] == [token]
    for wrong in ("", token[:-1], token + "A", token + "=", "あ" * 43, "!" * 43, "A" * 43, token.swapcase()):
        assert seal.read_relay_token(wrong) is None
    for place in range(len(raw)):
        changed = bytes(byte ^ (place == at) for at, byte in enumerate(raw))
        assert seal.read_relay_token(base64.urlsafe_b64encode(changed).decode().rstrip("=")) is None


def test_a_master_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        seal.use(b"short")

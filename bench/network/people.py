"""Candidates: the hidden person, the row that each partner has of them, their sealed data, consents and provisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from bench.network import names
from bench.network.chance import Chance
from bench.network.rows import NULL, Field, blob, instant, optional_instant, text, texts, uuid, word
from bench.network.world import Partner, Region, Sheets
from models.partner import ALIAS_ALPHABET
from models.seal import email_index, new_person_key, seal_items

WITHDRAWN = 0.015  # consents taken back later
TEXT_VERSION = "2026-04"
GIVEN = ("NAME", "EMAIL", "RECOMMENDATION")
PASSED_ON = ("NAME", "EMAIL", "PHONE")
PURPOSE_REFERRAL = "採用選考のため"
# Two characters of an alias at a time.
_SIGNS = [ALIAS_ALPHABET[n % 32] + ALIAS_ALPHABET[n // 32] for n in range(1024)]


@dataclass(eq=False, slots=True)
class Person:
    """Somebody who looks for work, and what has happened to them so far."""

    id: Field
    uuid: UUID
    number: int
    prefecture: str
    region: Region
    arrived: int
    graduate: bool
    schools: list[Partner]
    japanese: bool
    key: bytes = b""
    name: str = ""
    email: str = ""
    candidates: dict[Field, Field] = field(default_factory=dict[Field, Field])
    told: set[Field] = field(default_factory=set[Field])
    companies: set[Field] = field(default_factory=set[Field])


def alias(candidate_id: Field) -> str:
    """候補者 7F3K: the same four characters as `models.partner.alias_of`, without a UUID in between."""
    low = int.from_bytes(candidate_id[-3:], "big")
    return f"候補者 {_SIGNS[low & 1023]}{_SIGNS[low >> 10 & 1023]}"


class People:
    """Writes what is kept of persons."""

    def __init__(self, chance: Chance, sheets: Sheets, until: int) -> None:
        self._chance = chance
        self._sheets = sheets
        self._until = until

    def arrive(self, person: Person) -> None:
        name, _, mailbox = names.person(person.number)
        person.name, person.email = name, f"{mailbox}@example.com"
        person.key, sealed = new_person_key(person.uuid, random=self._chance.bytes)
        self._sheets["person"].add(person.id, instant(person.arrived))
        self._sheets["person_email"].add(blob(email_index(person.email)), person.id)
        self._sheets["person_key"].add(person.id, blob(sealed))

    def known(self, person: Person, partner: Field, at: int) -> Field:
        """The partner's own row of this person."""
        candidate = person.candidates.get(partner)
        if candidate is None:
            candidate = person.candidates[partner] = self._chance.id(at)
            self._sheets["candidate"].add(candidate, partner, person.id, text(alias(candidate)), instant(at))
        return candidate

    def told(
        self, person: Person, partner: Field, at: int, recommendation: str | None = None, addressee: Field = NULL
    ) -> Field:
        """The same, with the name and address that the partner was told; `addressee`: to whom it recommends them."""
        candidate = self.known(person, partner, at)
        if partner not in person.told:
            person.told.add(partner)
            items = {"NAME": person.name, "EMAIL": person.email}
            if recommendation:
                items["RECOMMENDATION"] = recommendation
            elif person.number % 3 == 0:
                items["PHONE"] = f"000-{person.number // 10_000 % 10_000:04d}-{person.number % 10_000:04d}"
            recorded = instant(at)
            addressed = {"RECOMMENDATION": uuid(addressee)} if recommendation else {}
            sealed = seal_items(person.key, uuid(candidate), items, addressed, random=self._chance.bytes)
            for item, value in zip(items, sealed, strict=True):
                whose = addressee if item in addressed else NULL
                self._sheets["personal_data"].add(
                    candidate, word(item), whose, partner, person.id, blob(value), recorded
                )
        return candidate

    def provide(
        self,
        person: Person,
        giver: Field,
        receiver: Field,
        at: int,
        *,
        agreement: Field,
        items: tuple[str, ...],
        purpose: str,
        withdrawn: int | None = None,
        ended: int | None = None,
    ) -> Field:
        """A consent and the provision that rests on it; some are taken back later. Returns the consent.

        `ended`: when the receiver declined, so that nothing flows to it although the consent stands.
        """
        chance = self._chance
        if withdrawn is None and ended is None and chance.random() < WITHDRAWN:
            withdrawn = at + int((self._until - at) * chance.random())
        consent = chance.id(at)
        given, fields = instant(at), texts(items)
        self._sheets["consent"].add(
            consent,
            person.id,
            giver,
            receiver,
            word(purpose),
            fields,
            word(TEXT_VERSION),
            word("JA" if person.japanese else "EN"),
            given,
            optional_instant(withdrawn),
        )
        self._sheets["provision"].add(
            chance.id(at),
            consent,
            agreement,
            person.id,
            giver,
            receiver,
            self.known(person, giver, at),
            self.known(person, receiver, at),
            fields,
            given,
            optional_instant(withdrawn if ended is None else ended),
        )
        return consent

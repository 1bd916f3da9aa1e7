"""Terms of an agreement (契約条件): what flows, the relay rule, the days; whether they make sense; and their hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

import orjson

from models.errors import invalid

KINDS = ("INFORMATION_SHARING", "SUCCESS_FEE", "MUTUAL_REFERRAL", "CAREER_RELAY", "ALLIANCE", "JOINT_PROJECT")
CATEGORIES = ("JOBS", "REFERRALS", "APPLICATIONS", "HANDOVERS", "OUTCOMES", "PERSONAL", "SURVEYS", "COHORTS")
GRANULARITIES = ("FIELDS", "COUNTS_ONLY")

PARTIES_MAX = 51
PURPOSE_CHARACTERS = 1_000
HANDOVERS_PER_SLOT_MAX = 1_000
SILENCE_DAYS_MAX = 90
SLOT_MONTHS_MAX = 120
TERM_YEARS_MAX = 50  # from today, before and after


@dataclass(frozen=True, slots=True)
class Sharing:
    """One data category that flows between all parties (共有データ), and how finely."""

    category: str
    granularity: str


@dataclass(frozen=True, slots=True)
class RelayTerms:
    """The relay rule (リレー条件): counted handovers per slot, days of silence that accept, months a slot lasts."""

    handovers_per_slot: int = 10
    silence_days: int = 7
    slot_months: int = 12


@dataclass(frozen=True, slots=True)
class Weights:
    """Outcome values of partnerContribution within the agreement (貢献度の重み)."""

    handover: Decimal = Decimal(1)
    hire: Decimal = Decimal(10)
    retained: Decimal = Decimal(5)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the parties promise. Days are days in Japan, both inclusive; `ends_on` None leaves the end open."""

    sharing: Sequence[Sharing]
    starts_on: date
    ends_on: date | None = None
    relay: RelayTerms | None = None
    weights: Weights = field(default_factory=Weights)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A version that every party has accepted, with its first and last day."""

    version_id: UUID
    starts_on: date
    ends_on: date | None


@dataclass(frozen=True, slots=True)
class Turn:
    """The days on which a version is the one in force, both inclusive; `ends_on` None leaves the end open."""

    version_id: UUID
    starts_on: date
    ends_on: date | None


def succession(accepted: Sequence[Accepted], on: date) -> list[Turn]:
    """Which version is in force when (更新), from the day `on`; `accepted` in the order of their numbers, one at least.

    Of those that have begun it is the one accepted last, until the next begins. Where one is over before that, it is
    the last. When none has begun, the first turn is that of the one that begins first.
    """
    begun = [place for place, each in enumerate(accepted) if each.starts_on <= on]
    place = begun[-1] if begun else _next(accepted, -1)
    turns: list[Turn] = []
    while place is not None:
        now, following = accepted[place], _next(accepted, place)
        eve = following is not None and accepted[following].starts_on - timedelta(days=1)
        if eve and now.ends_on and now.ends_on < eve:
            eve, following = None, None
        turns.append(Turn(now.version_id, now.starts_on, eve or now.ends_on))
        place = following
    return turns


def _next(accepted: Sequence[Accepted], after: int) -> int | None:
    """Whose turn comes next: of those accepted later the one that begins first, and of these the last."""
    later = range(after + 1, len(accepted))
    return min(later, key=lambda place: (accepted[place].starts_on, -place), default=None)


def version_hash(kind: str, purpose: str, parties: Sequence[UUID], terms: Terms) -> str:
    """SHA-256, in hexadecimal, of all that a party agrees to, as canonical JSON (RFC 8785): equal terms, equal hash."""
    relay = terms.relay
    everything = {
        "endsOn": terms.ends_on.isoformat() if terms.ends_on else None,
        "kind": kind,
        "parties": sorted(str(party) for party in parties),
        "purpose": purpose,
        "relay": relay
        and {
            "handoversPerSlot": relay.handovers_per_slot,
            "silenceDays": relay.silence_days,
            "slotMonths": relay.slot_months,
        },
        "sharing": [
            {"category": shared.category, "granularity": shared.granularity}
            for shared in sorted(terms.sharing, key=lambda shared: shared.category)
        ],
        "startsOn": terms.starts_on.isoformat(),
        "weights": {
            "handover": str(terms.weights.handover),
            "hire": str(terms.weights.hire),
            "retained": str(terms.weights.retained),
        },
    }
    return sha256(orjson.dumps(everything, option=orjson.OPT_SORT_KEYS)).hexdigest()


def check_parties(kind: str, kinds_of_parties: Mapping[UUID, str]) -> None:
    """Refuses INVALID unless these partners can make an agreement of this kind.

    A relay runs from one company to one agency; a mutual referral is among companies; an alliance has two companies
    at least; a success fee needs who pays and who places; a joint project is hosted by a company or a community.
    """
    kinds = sorted(kinds_of_parties.values())
    companies, agencies, communities = (kinds.count(each) for each in ("COMPANY", "AGENCY", "COMMUNITY"))
    fits = {
        "INFORMATION_SHARING": True,
        "SUCCESS_FEE": companies >= 1 and agencies >= 1,
        "MUTUAL_REFERRAL": companies == len(kinds),
        "CAREER_RELAY": kinds == ["AGENCY", "COMPANY"],
        "ALLIANCE": companies >= 2,
        "JOINT_PROJECT": companies + communities >= 1,
    }.get(kind, False)
    if not fits or not 2 <= len(kinds) <= PARTIES_MAX:
        raise invalid(
            "partnerIds",
            "この契約類型に合う当事者の組み合わせではありません。",
            "These partners cannot make an agreement of this kind.",
        )


def check_terms(kind: str, terms: Terms, *, on: date) -> None:
    """Refuses INVALID for terms that break a rule; `on` is today in Japan."""
    categories = [shared.category for shared in terms.sharing]
    known = set(categories) <= set(CATEGORIES) and all(s.granularity in GRANULARITIES for s in terms.sharing)
    if not known or len(categories) != len(set(categories)):
        raise invalid(
            "sharing", "データ区分は一つずつ、粒度とともに指定してください。", "Name each data category once."
        )
    if not categories and kind != "CAREER_RELAY":
        raise invalid("sharing", "共有するデータ区分を選んでください。", "Choose at least one data category to share.")
    for path, day in (("startsOn", terms.starts_on), ("endsOn", terms.ends_on)):
        if day is not None and abs(day.year - on.year) > TERM_YEARS_MAX:
            raise invalid(
                path,
                f"契約の期間は今日の前後{TERM_YEARS_MAX}年以内にしてください。",
                f"The first and the last day lie within {TERM_YEARS_MAX} years of today.",
            )
    if terms.ends_on is not None and terms.ends_on < max(terms.starts_on, on):
        raise invalid(
            "endsOn",
            "終了日は開始日と今日以降にしてください。",
            "The last day must not lie before the first, nor in the past.",
        )
    _check_relay(kind, terms.relay)


def _check_relay(kind: str, relay: RelayTerms | None) -> None:
    if (relay is not None) != (kind == "CAREER_RELAY"):
        raise invalid(
            "relay",
            "リレー条件はキャリアリレー契約で必須、他の契約では指定できません。",
            "A relay agreement needs a relay rule, and no other agreement takes one.",
        )
    if relay is None:
        return
    within = (
        1 <= relay.handovers_per_slot <= HANDOVERS_PER_SLOT_MAX
        and 1 <= relay.silence_days <= SILENCE_DAYS_MAX
        and 1 <= relay.slot_months <= SLOT_MONTHS_MAX
    )
    if not within:
        raise invalid(
            "relay",
            f"リレー条件は1〜{HANDOVERS_PER_SLOT_MAX}件、1〜{SILENCE_DAYS_MAX}日、1〜{SLOT_MONTHS_MAX}か月の範囲です。",
            f"The relay rule allows 1 to {HANDOVERS_PER_SLOT_MAX} handovers, {SILENCE_DAYS_MAX} days, "
            f"{SLOT_MONTHS_MAX} months.",
        )

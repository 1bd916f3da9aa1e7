"""How large a network is asked for, and the stretch of time it lives in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from bench.network.calendar import EPOCH, months_later
from bench.network.rows import SECOND, UNIX_EPOCH, japan_day, midnight
from bench.network.world import Size

PARTNERS_MIN, CANDIDATES_MIN, MONTHS_MAX = 50, 100, 120
REFERRALS_PER_CANDIDATE_MAX = 5
# A little more than 0.3 and 2, which is what comes out: the last people's stories are not told to their end.
HANDOVERS_PER_REFERRAL = 0.304
# A network to be measured is dense: about 8 partners took part in each hire. In one to be looked at, about 2 did.
DENSE, NATURAL = 2.03, 0.75


def size(
    *, partners: int, candidates: int, referrals: int, months: int, until: datetime, contributions: float = DENSE
) -> Size:
    """The size of a network that lived `months` until that instant; `contributions` is how many there are per referral.

    Raises ValueError, with what to do, when such a network cannot be.
    """
    if partners < PARTNERS_MIN or candidates < CANDIDATES_MIN or not 1 <= months <= MONTHS_MAX:
        raise ValueError(
            f"ask for at least {PARTNERS_MIN} partners, {CANDIDATES_MIN} candidates and 1 to {MONTHS_MAX} months"
        )
    if not 0 <= referrals <= candidates * REFERRALS_PER_CANDIDATE_MAX:
        raise ValueError(f"ask for at most {REFERRALS_PER_CANDIDATE_MAX} referrals per candidate")
    end = int((until - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)) * SECOND - UNIX_EPOCH
    return Size(partners, candidates, referrals, months_later(end, -months), end, HANDOVERS_PER_REFERRAL, contributions)


def this_month(now: datetime) -> datetime:
    """When the month began in Japan: until then a network lives unless it is said otherwise, so that it repeats."""
    local = EPOCH + timedelta(days=japan_day(int((now - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds()) * SECOND))
    return day_begins(local.replace(day=1))


def day_begins(day: date) -> datetime:
    """The instant at which a day begins in Japan."""
    return datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=midnight((day - EPOCH).days))

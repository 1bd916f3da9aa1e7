"""Japan's time: the days that agreements, licences and people mean. Rows keep instants."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

JAPAN = ZoneInfo("Asia/Tokyo")  # as the statements call it


def today(at: datetime | None = None) -> date:
    """The calendar day in Japan of an instant, now when left out."""
    return (at or datetime.now(UTC)).astimezone(JAPAN).date()


def midnight(day: date) -> datetime:
    """When a day begins in Japan."""
    return datetime.combine(day, time(), JAPAN)

"""How long logs are kept: whole days, as whole days are what a log store gives back at once."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

LOGS_KEPT_DAYS: Final = 30


def days_past(days: Iterable[str], today: date, kept_days: int) -> list[str]:
    """Those whose every event is older than `kept_days`, oldest first. A day is kept whole until its last event is."""
    last_gone = today - timedelta(days=kept_days + 1)
    return sorted(day for day in days if date.fromisoformat(day) <= last_gone)

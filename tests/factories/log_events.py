"""Log events and searches with what a test does not care about filled in."""

from datetime import UTC, datetime, timedelta
from itertools import count

from strata_datamodel.logs import LogBatch, LogEvent, LogLevel, LogSearch, MatchAll

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
BASE = 1_790_000_040 * SECOND  # 2026-09-21T14:14:00Z
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_places = count()


def event_id_of(number: int) -> str:
    return f"{number:032x}"


def log_event(message="hello", timestamp_ns=BASE, **fields) -> LogEvent:
    fields.setdefault("event_id", event_id_of(next(_places)))
    fields.setdefault("day", day_of(timestamp_ns))
    fields.setdefault("level", LogLevel.INFO)
    return LogEvent(timestamp_ns=timestamp_ns, message=message, **fields)


def log_batch(organization_id, *events, source=None) -> LogBatch:
    return LogBatch(organization_id, events, source)


def log_search(organization_id, where=None, **fields) -> LogSearch:
    fields = {"from_ns": BASE - 400 * DAY, "to_ns": BASE + 400 * DAY, "limit": 1_000} | fields
    return LogSearch(organization_id, where or MatchAll(), **fields)


def day_of(timestamp_ns: int) -> str:
    return (_EPOCH + timedelta(microseconds=timestamp_ns // 1_000)).date().isoformat()

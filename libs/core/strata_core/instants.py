"""Instants and durations as people and programs write them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from strata_datamodel.errors import InvalidError, Problem

_UNIT_NS: Final = {
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_DURATION: Final = re.compile(r"(\d{1,9})(ms|s|m|h|d|w)", re.ASCII)
_DURATIONS: Final = re.compile(r"(?:\d{1,9}(?:ms|s|m|h|d|w)){1,6}", re.ASCII)
_RELATIVE: Final = re.compile(r"now(?:([+-])(.{1,64}))?", re.ASCII)
_RFC3339: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH_MS: Final = re.compile(r"-?\d{1,16}", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_NS: Final = 2**63 - 2


def instant_ns(value: str | int, *, now_ns: int, where: str) -> int:
    """RFC 3339, Unix milliseconds, or relative: `now`, `now-1h30m`. Raises InvalidError (code `bad_instant`)."""
    text = str(value).strip()
    instant = None
    if relative := _RELATIVE.fullmatch(text):
        shift = _duration(relative[2]) if relative[2] else 0
        instant = None if shift is None else now_ns + (-shift if relative[1] == "-" else shift)
    elif _EPOCH_MS.fullmatch(text):
        instant = int(text) * 1_000_000
    elif written := _RFC3339.fullmatch(text):
        instant = _written_ns(written)
    if instant is None or abs(instant) > _LATEST_NS:
        raise InvalidError(
            "this is not an instant",
            code="bad_instant",
            problems=[Problem(where, "expected RFC 3339, Unix milliseconds, or now-1h")],
        )
    return instant


def duration_ns(text: str, *, where: str) -> int:
    """As `60s`, `5m` or `1h30m`; more than nothing. Raises InvalidError (code `bad_duration`)."""
    duration = _duration(text.strip())
    if duration is None or not 0 < duration <= _LATEST_NS:
        raise InvalidError(
            "this is not a duration", code="bad_duration", problems=[Problem(where, "expected one like 60s, 5m or 1h")]
        )
    return duration


def rfc3339(instant: int) -> str:
    """Nanoseconds since the epoch as UTC with Z, to the millisecond or finer where there is more."""
    seconds, fraction = divmod(instant, 1_000_000_000)
    digits = f"{fraction:09d}"
    shown = digits[:3] + digits[3:].rstrip("0")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{shown}Z"


def shown_instant(value: datetime) -> str:
    """As everything of ours shows one: in answers, events, exports and at the command line."""
    return rfc3339(ns_of(value))


def ns_of(value: datetime) -> int:
    return (value - _EPOCH) // timedelta(microseconds=1) * 1_000


def instant_of(value_ns: int) -> datetime:
    """To the microsecond, which is as fine as PostgreSQL keeps one."""
    return _EPOCH + timedelta(microseconds=value_ns // 1_000)


def _duration(text: str) -> int | None:
    if not _DURATIONS.fullmatch(text):
        return None
    return sum(int(count) * _UNIT_NS[unit] for count, unit in _DURATION.findall(text))


def _written_ns(written: re.Match[str]) -> int | None:
    day, time_of_day, fraction, zone = written.groups()
    try:
        whole = datetime.fromisoformat(f"{day}T{time_of_day}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:
        return None
    since = whole - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))

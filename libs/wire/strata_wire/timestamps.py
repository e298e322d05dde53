"""Times in documents to Unix nanoseconds."""

import re
from datetime import date
from decimal import Decimal
from typing import Final

_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_NUMBER: Final = re.compile(r"\d{1,19}(?:\.\d{1,9})?", re.ASCII)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_S: Final = 86_400
_SECOND_NS: Final = 1_000_000_000
_INT64_MAX: Final = (1 << 63) - 1

# The unit of a number is told by its size: each begins in 1973. What is less is no time but a count or a duration.
_SMALLEST: Final = 10**8
_UNITS: Final = ((10**11, _SECOND_NS), (10**14, 1_000_000), (10**17, 1_000), (10**20, 1))


def parse_time(value: object) -> int | None:
    """RFC 3339 (a missing zone is UTC), or a number since the epoch in s, ms, us or ns; None for all else."""
    if isinstance(value, str):
        match = _RFC3339.fullmatch(value)
        if match is not None:
            return _in_range(_calendar_ns(match))
        return _number_ns(Decimal(value)) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # The shortest decimal text of a float is the number that was sent.
    return _number_ns(Decimal(repr(value)))


def day_of(time_ns: int) -> str:
    return date.fromordinal(time_ns // (_DAY_S * _SECOND_NS) + _EPOCH_DAY).isoformat()


def _calendar_ns(match: re.Match[str]) -> int | None:
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    h, m, s = int(hour or 0), int(minute or 0), int(second or 0)
    if h > 23 or m > 59 or s > 60:
        return None
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    offset_s = _offset_s(zone)
    if offset_s is None:
        return None
    nanoseconds = int((fraction or "")[:9].ljust(9, "0"))
    return (days * _DAY_S + h * 3600 + m * 60 + s - offset_s) * _SECOND_NS + nanoseconds


def _offset_s(zone: str | None) -> int | None:
    if zone is None or zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        return None
    offset_s = hours * 3600 + minutes * 60
    return -offset_s if zone[0] == "-" else offset_s


def _number_ns(number: Decimal) -> int | None:
    for bound, unit_ns in _UNITS:
        if _SMALLEST <= number < bound:
            return _in_range(int(number * unit_ns))
    return None


def _in_range(time_ns: int | None) -> int | None:
    return time_ns if time_ns is not None and 0 <= time_ns <= _INT64_MAX else None

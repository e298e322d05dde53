"""Which file a point or a window belongs into."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_datamodel.tiers import Tier

_DAY_NS: Final = 86_400 * 1_000_000_000
_EPOCH: Final = date(1970, 1, 1)
_FIRST_NS: Final = -(2**63)
_LAST_NS: Final = 2**63 - 1

# What is expired stays on disk for one period at most, a quarter of the time its tier is kept, and a question about
# all that a tier keeps reads eight files at most.
PERIOD_DAYS: Final[Mapping[Tier, int]] = {Tier.RAW: 1, Tier.MINUTE: 7, Tier.FIVE_MINUTES: 21, Tier.HOUR: 84}

# Whoever sends times of 1677 or 2262 gets no file for each: all before and all after lies in one.
_EARLIEST_DAY: Final = (date(2000, 1, 1) - _EPOCH).days
_LATEST_DAY: Final = (date(2100, 1, 1) - _EPOCH).days

_NAME: Final = re.compile(r"(raw|1m|5m|1h)-(\d{4}-\d\d-\d\d)-(\d{1,9})\.duckdb", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """From `number` times the tier's period after the epoch. The first and the last one have no end on one side."""

    tier: Tier
    number: int

    @property
    def from_ns(self) -> int:
        days = PERIOD_DAYS[self.tier]
        return _FIRST_NS if self.number == _EARLIEST_DAY // days else self.number * days * _DAY_NS

    @property
    def last_ns(self) -> int:
        days = PERIOD_DAYS[self.tier]
        return _LAST_NS if self.number == _LATEST_DAY // days else (self.number + 1) * days * _DAY_NS - 1

    def overlaps(self, from_ns: int, to_ns: int) -> bool:
        return self.from_ns < to_ns and from_ns <= self.last_ns


def period_of(tier: Tier, time_ns: int) -> Period:
    days = PERIOD_DAYS[tier]
    number = time_ns // (days * _DAY_NS)
    return Period(tier, min(max(number, _EARLIEST_DAY // days), _LATEST_DAY // days))


def raw_numbers(time_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the raw period of each time."""
    return np.clip(time_ns // _DAY_NS, _EARLIEST_DAY, _LATEST_DAY)


def file_name(period: Period, generation: int) -> str:
    first = _EPOCH + timedelta(days=period.number * PERIOD_DAYS[period.tier])
    return f"{period.tier.value}-{first.isoformat()}-{generation}.duckdb"


def named(file: str) -> tuple[Period, int] | None:
    """The period and the generation of a file with this name; None when it is none of ours."""
    found = _NAME.fullmatch(file)
    if found is None:
        return None
    tier = Tier(found[1])
    days = (date.fromisoformat(found[2]) - _EPOCH).days
    return Period(tier, days // PERIOD_DAYS[tier]), int(found[3])

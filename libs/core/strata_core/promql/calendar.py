"""Parts of an instant, in UTC, of Unix seconds."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_core.promql.matrix import Floats

_Dates = NDArray[np.datetime64]
_THURSDAY: Final = 4
_LONGEST_S: Final = 2.0**55


def _year(at: _Dates) -> NDArray[np.int64]:
    return at.astype("M8[Y]").astype(np.int64) + 1970


def _month(at: _Dates) -> NDArray[np.int64]:
    return at.astype("M8[M]").astype(np.int64) % 12 + 1


def _day(at: _Dates) -> NDArray[np.int64]:
    part: NDArray[np.int64] = (at.astype("M8[D]") - at.astype("M8[M]").astype("M8[D]")).astype(np.int64) + 1
    return part


def _day_of_year(at: _Dates) -> NDArray[np.int64]:
    part: NDArray[np.int64] = (at.astype("M8[D]") - at.astype("M8[Y]").astype("M8[D]")).astype(np.int64) + 1
    return part


def _days_in_month(at: _Dates) -> NDArray[np.int64]:
    month = at.astype("M8[M]")
    part: NDArray[np.int64] = ((month + 1).astype("M8[D]") - month.astype("M8[D]")).astype(np.int64)
    return part


def _day_of_week(at: _Dates) -> NDArray[np.int64]:
    part: NDArray[np.int64] = (at.astype("M8[D]").astype(np.int64) + _THURSDAY) % 7
    return part


PARTS: Final[Mapping[str, Callable[[_Dates], NDArray[np.int64]]]] = {
    "year": _year,
    "month": _month,
    "day_of_month": _day,
    "day_of_year": _day_of_year,
    "day_of_week": _day_of_week,
    "days_in_month": _days_in_month,
    "hour": lambda at: at.astype("M8[h]").astype(np.int64) % 24,
    "minute": lambda at: at.astype("M8[m]").astype(np.int64) % 60,
}


def part_of(name: str, seconds: Floats) -> Floats:
    """NaN for what is no instant."""
    is_instant = np.abs(seconds) < _LONGEST_S
    at = np.trunc(np.where(is_instant, seconds, 0)).astype(np.int64).astype("M8[s]")
    return np.where(is_instant, PARTS[name](at).astype(np.float64), np.nan)

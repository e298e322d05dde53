"""Points as rows: the columns that a host's points of one time fill."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from strata_core.server_metrics.sources import Filling
from strata_datamodel.metrics import PointBatch
from strata_datamodel.server_metrics import COUNTERS, PERCENTAGES, Column

_NS_PER_US: Final = 1_000
_GREATEST_COUNTER: Final = (1 << 63) - 1
_GREATEST_LOAD: Final = 10**8 - 1

OUT_OF_RANGE: Final = "out_of_range"
OUT_OF_TIME: Final = "out_of_time"
UNKNOWN_HOST: Final = "unknown_host"

Value = float | int
Row = dict[Column, Value]
Place = tuple[str, int]
"""A host's name, and a time in Unix microseconds."""


@dataclass(slots=True)
class Readings:
    """Rows by their place. `refused` counts values, by the reason."""

    rows: dict[Place, Row] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Readings") -> None:
        """The later of two values counts, and of two counters the greater: so it is with rows that are in the table,
        whatever was written together or twice."""
        for place, row in other.rows.items():
            mine = self.rows.setdefault(place, {})
            for column, value in row.items():
                mine[column] = max(value, mine.get(column, value)) if column in COUNTERS else value
        self.refused.update(other.refused)


def readings_of(batch: PointBatch, fillings: Sequence[Filling | None], *, first_ns: int, end_ns: int) -> Readings:
    """`fillings` has one for each series of the batch. Counters of one host and time add up: they are of several
    interfaces. A value that no row may hold is refused, and the others of its row stay."""
    found = Readings()
    is_filling = np.array([each is not None for each in fillings], dtype=bool)
    rows = np.flatnonzero(is_filling[batch.series_index])
    in_time = (batch.time_ns[rows] >= first_ns) & (batch.time_ns[rows] < end_ns)
    found.refused[OUT_OF_TIME] += int(len(rows) - np.count_nonzero(in_time))
    rows = rows[in_time]
    counted: dict[tuple[Place, Column], dict[int, Value]] = {}
    columns = (batch.series_index[rows], batch.time_ns[rows], batch.values[rows])
    for number, time_ns, sent in zip(*(each.tolist() for each in columns), strict=True):
        filling = fillings[number]
        value = None if filling is None else value_for(filling, sent)
        if filling is None or value is None:
            found.refused[OUT_OF_RANGE] += 1
            continue
        place = (filling.host, time_ns // _NS_PER_US)
        if filling.is_counter:
            counted.setdefault((place, filling.column), {})[number] = value
        else:
            found.rows.setdefault(place, {})[filling.column] = value
    _add_up(found, counted)
    return found


def _add_up(found: Readings, counted: Mapping[tuple[Place, Column], Mapping[int, Value]]) -> None:
    for (place, column), values in counted.items():
        total = sum(values.values())
        if total <= _GREATEST_COUNTER:
            found.rows.setdefault(place, {})[column] = total
        else:
            found.refused[OUT_OF_RANGE] += len(values)


def value_for(filling: Filling, sent: float) -> Value | None:
    """What the column takes; None when its checks refuse it. Two decimals: what floats leave over is no reading."""
    if not math.isfinite(sent):
        return None
    if filling.is_counter:
        return int(sent) if 0 <= sent <= _GREATEST_COUNTER else None
    value = round(100 - sent if filling.is_idle else sent, 2) + 0.0
    greatest = 100 if filling.column in PERCENTAGES else _GREATEST_LOAD
    return value if 0 <= value <= greatest else None

"""Points of one body of OTLP metrics, most of them by the compiled walk, into columns."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from strata_datamodel.limits import OTLP_ITEMS_PER_REQUEST, POINTS_PER_REQUEST
from strata_datamodel.metrics import SeriesKey
from strata_wire.compiled.columns import Columns
from strata_wire.compiled.machine import Longs
from strata_wire.compiled.otlp_layout import (
    AT,
    BASE,
    BODY_MARK,
    DONE,
    END,
    FULL,
    HASH,
    HEAD,
    ITEMS,
    ITEMS_MAX,
    KIND,
    LENGTH,
    NEW_ATTRIBUTES,
    NEW_BUCKETS,
    NEW_CONTEXT,
    NEW_HEAD,
    NEWEST_NS,
    NUMBER,
    ODD_BODY,
    ODD_POINT,
    OLDEST_NS,
    OUT_ROOM,
    OUT_SERIES,
    OUT_TIMES,
    OUT_VALUES,
    OWNER,
    POINT_END,
    POINT_START,
    POINTS,
    RECEIVED_NS,
    START,
    TAKEN,
    USED,
    WALK_SIZE,
)
from strata_wire.compiled.otlp_metrics import walk
from strata_wire.compiled.otlp_registry import OtlpRegistry
from strata_wire.otlp.attributes import PointError
from strata_wire.otlp.fields import WireError
from strata_wire.otlp.protobuf_reading import READERS
from strata_wire.otlp.reading import FoundPoint, Refusals, check_items, check_points, take_point
from strata_wire.otlp.series import Kind
from strata_wire.times_kept import TimesKept

_BYTES_PER_POINT: Final = 24
_POINTS_AT_LEAST: Final = 64


class OddBody(Exception):  # noqa: N818 - nothing is wrong with the body yet
    """It has to be read plainly, from its beginning."""


class OtlpWalk:
    def __init__(self, body: bytes, times: TimesKept, registry: OtlpRegistry) -> None:
        self._body = body
        self._times = times
        self._registry = registry
        registry.numbered.body_mark += 1
        state: Longs = np.zeros(WALK_SIZE, np.int64)
        self._state = state
        state[BASE] = np.frombuffer(body, np.uint8).ctypes.data if body else 0
        state[LENGTH] = len(body)
        state[BODY_MARK] = registry.numbered.body_mark
        state[OLDEST_NS] = times.oldest_ns
        state[NEWEST_NS] = times.newest_ns
        state[RECEIVED_NS] = times.received_ns
        state[ITEMS_MAX] = OTLP_ITEMS_PER_REQUEST
        room = min(POINTS_PER_REQUEST, len(body) // _BYTES_PER_POINT + _POINTS_AT_LEAST)
        self._use(Columns(np.empty(room, np.int32), np.empty(room, np.int64), np.empty(room, np.float64)))

    def __len__(self) -> int:
        return int(self._state[POINTS])

    @property
    def rows(self) -> int:
        """Data points that were taken."""
        return int(self._state[TAKEN])

    def run(self, refusals: Refusals) -> None:
        """Raises OddBody, TooLargeError."""
        state = self._state
        status = ODD_BODY
        while status != DONE:
            self._registry.describe(state)
            status = walk(state.ctypes.data)
            check_items(int(state[ITEMS]))
            if status == ODD_BODY:
                raise OddBody
            if status == ODD_POINT or (status != DONE and not self._learn(status)):
                self._read(refusals)
        check_points(len(self))

    def take(self, time_ns: int, row: Mapping[SeriesKey, float]) -> None:
        state, numbered = self._state, self._registry.numbered
        point = int(state[POINTS])
        while point + len(row) > len(self._columns.series):
            self._use(self._columns.doubled())
        for series, value in row.items():
            place, used = numbered.use(numbered.number(series), int(state[USED]))
            state[USED] = used
            self._columns.series[point] = place
            self._columns.times[point] = time_ns
            self._columns.values[point] = value
            point += 1
        state[POINTS] = point
        state[TAKEN] += 1

    def columns(self) -> tuple[tuple[SeriesKey, ...], Columns, tuple[str, ...]]:
        """Series in the order of their first points. There are no texts."""
        return self._registry.numbered.used(int(self._state[USED])), self._columns.first(len(self)), ()

    def _use(self, columns: Columns) -> None:
        self._columns = columns
        self._state[OUT_SERIES] = columns.series.ctypes.data
        self._state[OUT_TIMES] = columns.times.ctypes.data
        self._state[OUT_VALUES] = columns.values.ctypes.data
        self._state[OUT_ROOM] = len(columns.series)

    def _learn(self, status: int) -> bool:
        """False for a data point that cannot be taken. Raises OddBody."""
        state, registry = self._state, self._registry
        if status == FULL:
            check_points(len(self._columns.series))
            self._use(self._columns.doubled())
            return True
        raw = self._body[int(state[START]) : int(state[END])]
        try:
            _TEACH[status](registry, raw, int(state[HASH]), int(state[OWNER]))
        except WireError:
            raise OddBody from None
        except PointError:
            return False
        return True

    def _read(self, refusals: Refusals) -> None:
        """The data point at which the walk ended, plainly. Raises OddBody."""
        state = self._state
        start, end, number = int(state[POINT_START]), int(state[POINT_END]), int(state[NUMBER]) + 1
        head = self._registry.heads[int(state[HEAD])]
        try:
            point = READERS[Kind(int(state[KIND]))](self._body[start:end])
        except WireError:
            raise OddBody from None
        take_point(FoundPoint(head, number, point), self._times, self, refusals)
        state[NUMBER] = number
        state[ITEMS] += 1
        state[AT] = end


def prepare_otlp() -> None:
    """Makes or loads the machine code."""
    OtlpWalk(b"", TimesKept(1, 0, 1), OtlpRegistry()).run(Refusals())


_TEACH: Final = {
    NEW_CONTEXT: OtlpRegistry.add_context,
    NEW_HEAD: OtlpRegistry.add_head,
    NEW_ATTRIBUTES: OtlpRegistry.add_attributes,
    NEW_BUCKETS: OtlpRegistry.add_buckets,
}

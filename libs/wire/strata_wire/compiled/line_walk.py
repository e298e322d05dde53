"""Points of one body of line protocol, most of them by the compiled walk, into columns."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_datamodel.limits import FIELDS_PER_LINE, LINE_BYTES, POINTS_PER_REQUEST, STRING_FIELD_BYTES
from strata_datamodel.metrics import FieldClass, SeriesKey
from strata_wire.compiled.columns import Columns
from strata_wire.compiled.lines import (
    AT,
    BASE,
    BODY_MARK,
    CLASS,
    DONE,
    END,
    FIELDS_MAX,
    FULL,
    HASH,
    KEY,
    LAST_KEY,
    LENGTH,
    LINE_BYTES_MAX,
    LINE_MARK,
    LINES,
    NAME,
    NEW_KEY,
    NEW_NAME,
    NEW_SERIES,
    NEWEST_NS,
    OLDEST_NS,
    OUT_ROOM,
    OUT_SERIES,
    OUT_TIMES,
    OUT_VALUES,
    POINTS,
    RECEIVED_NS,
    START,
    STRING_BYTES_MAX,
    UNIT_NS,
    USED,
    WALK_SIZE,
    walk,
)
from strata_wire.compiled.registry import Registry
from strata_wire.line_grammar import LineError
from strata_wire.line_reading import Times

_BYTES_PER_POINT: Final = 12
_POINTS_AT_LEAST: Final = 64
_TAKEN_TEXTS: Final = 1 << 30


class LineWalk:
    def __init__(self, body: bytes, times: Times, registry: Registry) -> None:
        self._body = body
        self._registry = registry
        registry.numbered.body_mark += 1
        state = self._state = np.zeros(WALK_SIZE, np.int64)
        state[LINE_MARK] = registry.line_mark
        state[LAST_KEY] = registry.last_key
        state[BASE] = np.frombuffer(body, np.uint8).ctypes.data if body else 0
        state[LENGTH] = len(body)
        state[BODY_MARK] = registry.numbered.body_mark
        state[UNIT_NS] = times.unit_ns
        state[OLDEST_NS] = times.kept.oldest_ns
        state[NEWEST_NS] = times.kept.newest_ns
        state[RECEIVED_NS] = times.kept.received_ns
        state[FIELDS_MAX] = FIELDS_PER_LINE
        state[LINE_BYTES_MAX] = LINE_BYTES
        state[STRING_BYTES_MAX] = STRING_FIELD_BYTES
        self._texts = registry.texts
        self._texts.clear()
        self._taken_texts: dict[str, int] = {}
        room = min(POINTS_PER_REQUEST, len(body) // _BYTES_PER_POINT + _POINTS_AT_LEAST)
        self._use(Columns(np.empty(room, np.int32), np.empty(room, np.int64), np.empty(room, np.float64)))

    def __len__(self) -> int:
        return int(self._state[POINTS])

    @property
    def rows(self) -> int:
        return int(self._state[LINES])

    def advance(self, at: int) -> int:
        """Takes the plain lines from there on; where the first other one begins, or the end."""
        state = self._state
        state[AT] = at
        while True:
            self._registry.describe(state)
            status = walk(state.ctypes.data)
            if status == DONE:
                return len(self._body)
            if not self._learn(status):
                return int(state[AT])

    def take(self, time_ns: int, row: Mapping[SeriesKey, float | str]) -> None:
        """The points of a line that was read otherwise."""
        state, numbered = self._state, self._registry.numbered
        point = int(state[POINTS])
        while point + len(row) > len(self._columns.series):
            self._use(self._columns.doubled())
        for series, value in row.items():
            place, used = numbered.use(numbered.number(series), int(state[USED]))
            state[USED] = used
            self._columns.series[point] = place
            self._columns.times[point] = time_ns
            self._columns.values[point] = self._text(value) if isinstance(value, str) else value
            point += 1
        state[POINTS] = point
        state[LINES] += 1

    def columns(self) -> tuple[tuple[SeriesKey, ...], Columns, tuple[str, ...]]:
        """Series in the order of their first points, and texts likewise."""
        registry, count = self._registry, len(self)
        registry.line_mark = int(self._state[LINE_MARK])
        registry.last_key = int(self._state[LAST_KEY])
        series = registry.numbered.used(int(self._state[USED]))
        columns = self._columns.first(count)
        if not len(self._texts) and not self._taken_texts:
            return series, columns, ()
        is_text = np.array([key.field_class is FieldClass.STRING for key in series], np.bool_)[columns.series]
        columns.values[is_text], texts = self._in_order(columns.values[is_text].astype(np.int64))
        return series, columns, texts

    def _use(self, columns: Columns) -> None:
        self._columns = columns
        self._state[OUT_SERIES] = columns.series.ctypes.data
        self._state[OUT_TIMES] = columns.times.ctypes.data
        self._state[OUT_VALUES] = columns.values.ctypes.data
        self._state[OUT_ROOM] = len(columns.series)

    def _learn(self, status: int) -> bool:
        """False for a line that has to be read otherwise."""
        state, registry = self._state, self._registry
        raw = self._body[int(state[START]) : int(state[END])]
        try:
            if status == NEW_KEY:
                registry.add_key(raw, int(state[HASH]))
            elif status == NEW_NAME:
                registry.add_name(int(state[KEY]), raw, int(state[HASH]))
            elif status == NEW_SERIES:
                registry.add_series(int(state[KEY]), int(state[NAME]), int(state[CLASS]))
            elif status == FULL and len(self._columns.series) < POINTS_PER_REQUEST:
                self._use(self._columns.doubled())
            else:
                return False
        except LineError:
            return False
        return True

    def _text(self, text: str) -> float:
        return float(_TAKEN_TEXTS + self._taken_texts.setdefault(text, len(self._taken_texts)))

    def _in_order(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        distinct, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
        taken = list(self._taken_texts)
        order: dict[str, int] = {}
        places = np.empty(len(distinct), np.float64)
        for place in np.argsort(first).tolist():
            number = int(distinct[place])
            text = taken[number - _TAKEN_TEXTS] if number >= _TAKEN_TEXTS else self._sent_text(number)
            places[place] = order.setdefault(text, len(order))
        return places[inverse], tuple(order)

    def _sent_text(self, number: int) -> str:
        start = int(self._texts.starts[number])
        return self._body[start : start + int(self._texts.lengths[number])].decode("ascii")

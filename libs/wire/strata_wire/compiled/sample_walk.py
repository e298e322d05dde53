"""Points of one body of Prometheus remote write, most of them by the compiled walk, into columns."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_datamodel.limits import POINTS_PER_REQUEST, SERIES_PER_REQUEST, SYMBOLS_PER_REQUEST
from strata_datamodel.metrics import FieldClass, SeriesKey
from strata_wire.compiled.columns import Columns
from strata_wire.compiled.label_registry import LabelRegistry, SymbolRegistry
from strata_wire.compiled.machine import Integers, Longs
from strata_wire.compiled.samples import (
    AT,
    BASE,
    BODY_MARK,
    CLASS,
    DONE,
    END,
    FULL,
    HASH,
    KEY,
    LAST_KEY,
    LENGTH,
    NEW_KEY,
    NEW_SERIES,
    NEW_SYMBOL,
    NEWEST_MS,
    OLDEST_MS,
    OUT_ROOM,
    OUT_SERIES,
    OUT_TIMES,
    OUT_VALUES,
    POINTS,
    SERIES,
    START,
    SYMBOL,
    SYMBOL_COUNT,
    SYMBOL_LENGTHS,
    SYMBOL_NUMBERS,
    SYMBOL_STARTS,
    TEXTS,
    USED,
    WALK_SIZE,
    gather_symbols,
    walk,
)
from strata_wire.label_sets import SampleError
from strata_wire.readings import WORDS
from strata_wire.remote_write_reading import labels_in, milliseconds
from strata_wire.times_kept import TimesKept

_BYTES_PER_POINT: Final = 40
_POINTS_AT_LEAST: Final = 64
_SYMBOL_BYTES_AT_LEAST: Final = 2


class SentSymbols:
    """Where the symbols of a body are."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        room = min(SYMBOLS_PER_REQUEST, len(body) // _SYMBOL_BYTES_AT_LEAST)
        self.starts: Longs = np.empty(room, np.int64)
        self.lengths: Integers = np.empty(room, np.int32)
        self.count = gather_symbols(_address(body), len(body), self.starts.ctypes.data, self.lengths.ctypes.data, room)
        self.numbers: Integers = np.full(max(0, self.count), -1, np.int32)

    @property
    def is_plain(self) -> bool:
        """Whether they are all of the body's. If not, the body has to be read otherwise."""
        return self.count >= 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, reference: int) -> bytes:
        start = int(self.starts[reference])
        return self._body[start : start + int(self.lengths[reference])]


class SampleWalk:
    def __init__(
        self, body: bytes, kept: TimesKept, registry: LabelRegistry | SymbolRegistry, symbols: SentSymbols | None = None
    ) -> None:
        self._body = body
        self._registry = registry
        self._labels = registry if isinstance(registry, LabelRegistry) else registry.labels
        self._symbols = symbols
        numbered = self._labels.numbered
        numbered.body_mark += 1
        state = self._state = np.zeros(WALK_SIZE, np.int64)
        state[LAST_KEY] = self._labels.last_key
        state[BASE] = _address(body)
        state[LENGTH] = len(body)
        state[BODY_MARK] = numbered.body_mark
        oldest_ms, state[NEWEST_MS] = milliseconds(kept)
        state[OLDEST_MS] = max(0, oldest_ms)
        if symbols is not None:
            state[SYMBOL_COUNT] = len(symbols)
            state[SYMBOL_STARTS] = symbols.starts.ctypes.data
            state[SYMBOL_LENGTHS] = symbols.lengths.ctypes.data
            state[SYMBOL_NUMBERS] = symbols.numbers.ctypes.data
        room = min(POINTS_PER_REQUEST, len(body) // _BYTES_PER_POINT + _POINTS_AT_LEAST)
        self._use(Columns(np.empty(room, np.int32), np.empty(room, np.int64), np.empty(room, np.float64)))

    def __len__(self) -> int:
        return int(self._state[POINTS])

    @property
    def series(self) -> int:
        """How many of them it took by itself."""
        return int(self._state[SERIES])

    def advance(self, at: int) -> int:
        """Takes the plain series from there on; where the first thing begins that is none, or the end."""
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
        """Points of a series that was read otherwise."""
        state, numbered = self._state, self._labels.numbered
        point = int(state[POINTS])
        while point + len(row) > len(self._columns.series):
            self._use(self._columns.doubled())
        for series, reading in row.items():
            place, used = numbered.use(numbered.number(series), int(state[USED]))
            state[USED] = used
            self._columns.series[point] = place
            self._columns.times[point] = time_ns
            is_text = isinstance(reading, str)
            state[TEXTS] |= is_text
            self._columns.values[point] = WORDS.index(str(reading)) if is_text else reading
            point += 1
        state[POINTS] = point

    def columns(self) -> tuple[tuple[SeriesKey, ...], Columns, tuple[str, ...]]:
        """Series in the order of their first points, and texts likewise."""
        self._labels.last_key = int(self._state[LAST_KEY])
        series = self._labels.numbered.used(int(self._state[USED]))
        columns = self._columns.first(len(self))
        if not self._state[TEXTS]:
            return series, columns, ()
        is_text = np.array([key.field_class is FieldClass.STRING for key in series], np.bool_)[columns.series]
        columns.values[is_text], texts = _in_order(columns.values[is_text])
        return series, columns, texts

    def _use(self, columns: Columns) -> None:
        self._columns = columns
        self._state[OUT_SERIES] = columns.series.ctypes.data
        self._state[OUT_TIMES] = columns.times.ctypes.data
        self._state[OUT_VALUES] = columns.values.ctypes.data
        self._state[OUT_ROOM] = len(columns.series)

    def _learn(self, status: int) -> bool:
        """False for what has to be read otherwise."""
        state = self._state
        if status == NEW_KEY and self.series < SERIES_PER_REQUEST:
            return self._learn_key()
        if status == NEW_SERIES:
            self._labels.add_series(int(state[KEY]), int(state[CLASS]))
        elif status == NEW_SYMBOL and self._symbols is not None and isinstance(self._registry, SymbolRegistry):
            self._registry.add_symbol(self._symbols[int(state[SYMBOL])], int(state[HASH]))
        elif status == FULL and len(self._columns.series) < POINTS_PER_REQUEST:
            self._use(self._columns.doubled())
        else:
            return False
        return True

    def _learn_key(self) -> bool:
        state = self._state
        try:
            if isinstance(self._registry, SymbolRegistry):
                self._registry.add_key(int(state[END]), int(state[HASH]))
            else:
                raw = self._body[int(state[START]) : int(state[END])]
                self._registry.add_key(raw, int(state[HASH]), labels_in(raw))
        except SampleError:
            return False
        return True


def prepare_samples() -> None:
    """Makes or loads the machine code."""
    kept = TimesKept(1, 0, 1)
    labels = _message(0x0A, b"\x0a\x08__name__\x12\x01m")
    sample = b"\x12\x09\x09" + bytes(8) + b"\x12\x09\x09" + bytes(6) + b"\xf8\x7f"
    first = SampleWalk(_message(0x0A, labels + sample), kept, LabelRegistry())
    first.advance(0)
    body = b"\x22\x00" + b"\x22\x08__name__\x22\x01m" + _message(0x2A, b"\x0a\x02\x01\x02" + sample)
    second = SampleWalk(body, kept, SymbolRegistry(), SentSymbols(body))
    second.advance(0)


def _message(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content


def _address(body: bytes) -> int:
    return int(np.frombuffer(body, np.uint8).ctypes.data) if body else 0


def _in_order(numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    distinct, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    order = np.argsort(first)
    places = np.empty(len(distinct), np.float64)
    places[order] = np.arange(len(distinct))
    return places[inverse], tuple(WORDS[int(number)] for number in distinct[order])

"""Label sets of one organization as bytes that walks find, and the series that each of them is."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from strata_datamodel.metrics import FieldClass, SeriesKey, Tags
from strata_wire.compiled.machine import Integers, Longs
from strata_wire.compiled.numbered_series import NumberedSeries
from strata_wire.compiled.samples import (
    ARENA,
    CLASSES,
    KEY_ROOM,
    NUMBER,
    NUMBERED,
    REFERENCES_MAX,
    SYMBOLS,
    TEXT,
)
from strata_wire.compiled.slots import Arena, Slots, doubled
from strata_wire.label_sets import VALUE, identity_of

# What the objects and the arrays' entries take in CPython 3.11, about; a text of which one character is rare takes
# four bytes for each.
_EMPTY_BYTES: Final = 64_000
_KEY_BYTES: Final = 700
_TAG_BYTES: Final = 160
_SYMBOL_BYTES: Final = 60
_BYTES_PER_CHARACTER: Final = 6

Labels = Sequence[tuple[bytes, bytes]]


class LabelRegistry:
    """Not thread-safe. Keys are bytes of labels as they are sent."""

    def __init__(self) -> None:
        self.numbered = NumberedSeries()
        self.last_key = -1
        self.arena = Arena()
        self._own_bytes = _EMPTY_BYTES
        self._room = (0, 0)
        self._addresses: Longs = np.zeros(NUMBERED + 1 - ARENA, np.int64)
        self._identities: list[tuple[str, Tags]] = []
        self._keys = Slots(self.arena)
        self._following: Integers = np.full(self._keys.capacity, -1, np.int32)
        self._series: Integers = np.full(CLASSES * self._keys.capacity, -1, np.int32)

    @property
    def series(self) -> list[SeriesKey]:
        return self.numbered.series

    @property
    def size_bytes(self) -> int:
        return self._own_bytes + self.numbered.size_bytes

    def describe(self, walk: Longs) -> None:
        """What is known, for a walk, until something is added."""
        room = (self._keys.capacity, self.arena.address)
        if room != self._room or self.numbered.is_grown:
            self._room = room
            self._described = (self._keys.described(), self.numbered.described())
            self._addresses = np.array(
                [
                    self.arena.address,
                    self._described[0].ctypes.data,
                    self._following.ctypes.data,
                    self._series.ctypes.data,
                    self._described[1].ctypes.data,
                ],
                np.int64,
            )
        walk[ARENA : NUMBERED + 1] = self._addresses

    def add_key(self, raw: bytes, hashed: int, labels: Labels) -> None:
        """Raises SampleError for labels that are no series."""
        measurement, tags = identity_of(labels)
        self._keys.add(raw, hashed, 0)
        self._identities.append((measurement, tags))
        if self._keys.capacity > len(self._following):
            self._following, self._series = doubled(self._following, -1), doubled(self._series, -1)
        self.add_series(len(self._identities) - 1, NUMBER)
        size_bytes = len(measurement) + sum(len(name) + len(value) for name, value in tags) + len(raw)
        self._own_bytes += _KEY_BYTES + _TAG_BYTES * len(tags) + _BYTES_PER_CHARACTER * size_bytes

    def add_series(self, key: int, field_class: int) -> None:
        measurement, tags = self._identities[key]
        stored = FieldClass.STRING if field_class == TEXT else FieldClass.NUMBER
        number = self.numbered.number(SeriesKey(measurement, tags, VALUE, stored))
        self._series[CLASSES * key + field_class] = number


class SymbolRegistry:
    """The same for labels that are numbers of symbols: symbols are numbered here, and keys are those numbers."""

    def __init__(self) -> None:
        self.labels = LabelRegistry()
        self._symbols = Slots(self.labels.arena)
        self._own_bytes = 0
        self._capacity = 0
        self._key_room: Integers = np.zeros(REFERENCES_MAX, np.int32)

    @property
    def series(self) -> list[SeriesKey]:
        return self.labels.series

    @property
    def size_bytes(self) -> int:
        return self._own_bytes + self.labels.size_bytes

    def describe(self, walk: Longs) -> None:
        self.labels.describe(walk)
        if self._symbols.capacity != self._capacity:
            self._capacity = self._symbols.capacity
            self._described = self._symbols.described()
        walk[SYMBOLS] = self._described.ctypes.data
        walk[KEY_ROOM] = self._key_room.ctypes.data

    def add_symbol(self, raw: bytes, hashed: int) -> None:
        self._symbols.add(raw, hashed, 0)
        self._own_bytes += _SYMBOL_BYTES + 2 * len(raw)

    def add_key(self, references: int, hashed: int) -> None:
        """What the walk read last, of so many references. Raises SampleError for labels that are no series."""
        numbers = self._key_room[:references]
        texts = [self._symbols.raw(number) for number in numbers.tolist()]
        self.labels.add_key(numbers.tobytes(), hashed, list(zip(texts[::2], texts[1::2], strict=True)))

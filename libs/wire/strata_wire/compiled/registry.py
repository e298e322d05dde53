"""The series of one organization: as bytes, which walks find, and as objects, which stores find by identity."""

from typing import Final

import numpy as np

from strata_datamodel.metrics import FieldClass, SeriesKey, Tags
from strata_wire.compiled.lines import (
    ARENA,
    CLASSES,
    KEY_FIRST,
    KEY_FOLLOWING,
    KEYS,
    NAME_FOLLOWING,
    NAME_MARKS,
    NAME_SERIES,
    NAMES,
    SERIES_MARKS,
    SERIES_PLACES,
    SERIES_USED,
    TEXTS,
    WALK_SIZE,
)
from strata_wire.compiled.machine import Integers, Longs
from strata_wire.compiled.numbered_series import NumberedSeries
from strata_wire.compiled.slots import Arena, Slots, doubled
from strata_wire.compiled.texts import Texts
from strata_wire.compiled.values import BOOLEAN, NUMBER, STRING
from strata_wire.line_grammar import parse_field_name, parse_key

# What the objects and the arrays' entries take in CPython 3.11, about; a text of which one character is rare takes
# four bytes for each.
_EMPTY_BYTES: Final = 64_000
_KEY_BYTES: Final = 700
_TAG_BYTES: Final = 160
_NAME_BYTES: Final = 100
_BYTES_PER_CHARACTER: Final = 6

_FIELD_CLASSES: Final = {NUMBER: FieldClass.NUMBER, BOOLEAN: FieldClass.BOOLEAN, STRING: FieldClass.STRING}


class Registry:
    """Not thread-safe. Grows with every key, name and series that was not seen; `size_bytes` says how far."""

    def __init__(self) -> None:
        self.numbered = NumberedSeries()
        self._keys_bytes = _EMPTY_BYTES
        self._is_new = True
        self._addresses: Longs = np.zeros(WALK_SIZE, np.int64)
        self.line_mark = 0
        self.last_key = -1
        self.texts = Texts()
        self._read_keys: list[tuple[str, Tags]] = []
        self._arena = Arena()
        self._keys = Slots(self._arena)
        self._names = Slots(self._arena)
        self._key_following: Integers = np.full(self._keys.capacity, -1, np.int32)
        self._key_first: Integers = np.full(self._keys.capacity, -1, np.int32)
        self._name_following: Integers = np.full(self._names.capacity, -1, np.int32)
        self._name_marks: Longs = np.zeros(self._names.capacity, np.int64)
        self._name_series: Integers = np.full(CLASSES * self._names.capacity, -1, np.int32)

    @property
    def series(self) -> list[SeriesKey]:
        return self.numbered.series

    @property
    def size_bytes(self) -> int:
        return self._keys_bytes + self.numbered.size_bytes

    def describe(self, walk: Longs) -> None:
        """What is known, for a walk, until something is added."""
        numbered = self.numbered
        if self._is_new or numbered.is_grown:
            self._is_new = numbered.is_grown = False
            self._described = (self._keys.described(), self._names.described())
            for place, array in (
                (KEYS, self._described[0]),
                (KEY_FOLLOWING, self._key_following),
                (KEY_FIRST, self._key_first),
                (NAMES, self._described[1]),
                (NAME_FOLLOWING, self._name_following),
                (NAME_MARKS, self._name_marks),
                (NAME_SERIES, self._name_series),
                (SERIES_MARKS, numbered.marks),
                (SERIES_PLACES, numbered.places),
                (SERIES_USED, numbered.in_use),
                (TEXTS, self.texts.description),
            ):
                self._addresses[place] = array.ctypes.data
            self._addresses[ARENA] = self._arena.address
        walk[ARENA : TEXTS + 1] = self._addresses[ARENA : TEXTS + 1]

    def add_key(self, raw: bytes, hashed: int) -> None:
        """Raises LineError for what is no series key."""
        measurement, tags = parse_key(raw)
        self._is_new = True
        self._keys.add(raw, hashed, 0)
        self._read_keys.append((measurement, tags))
        if self._keys.capacity > len(self._key_first):
            self._key_following, self._key_first = doubled(self._key_following, -1), doubled(self._key_first, -1)
        self._keys_bytes += _KEY_BYTES + _TAG_BYTES * len(tags) + _BYTES_PER_CHARACTER * len(raw)

    def add_name(self, key: int, raw: bytes, hashed: int) -> None:
        """Raises LineError for what is no name of a field."""
        parse_field_name(raw, self._read_keys[key][0])
        self._is_new = True
        self._names.add(raw, hashed, key)
        if self._names.capacity > len(self._name_marks):
            self._name_following = doubled(self._name_following, -1)
            self._name_marks = doubled(self._name_marks)
            self._name_series = doubled(self._name_series, -1)
        self._keys_bytes += _NAME_BYTES + _BYTES_PER_CHARACTER * len(raw)

    def add_series(self, key: int, name: int, field_class: int) -> None:
        measurement, tags = self._read_keys[key]
        field = parse_field_name(self._names.raw(name), measurement)
        number = self.numbered.number(SeriesKey(measurement, tags, field, _FIELD_CLASSES[field_class]))
        self._name_series[CLASSES * name + field_class] = number

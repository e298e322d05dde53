"""Series of one organization as objects, which stores find by identity, and which of them the body being read uses."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_datamodel.metrics import SeriesKey
from strata_wire.compiled.machine import Integers, Longs, compiled, int_at, long_at, put_int, put_long
from strata_wire.compiled.slots import doubled

# What describes them to compiled code: addresses of the body that used each last, of its place in that body, and of
# those in use in their order.
MARKS: Final = 0
PLACES: Final = 1
IN_USE: Final = 2
NUMBERED_SIZE: Final = 3

_FIRST_ROOM: Final = 32
_SERIES_BYTES: Final = 300  # of the object and the arrays' entries in CPython 3.11, about
_ENTRY_BYTES: Final = 12  # of a series in a tuple that is kept, and its number
_TUPLE_BYTES: Final = 200
_IN_TUPLES: Final = 10_000
_TUPLES_OF_EACH: Final = 2  # that it may be in, on average: each series is sent by somebody


class NumberedSeries:
    """Not thread-safe. Equal series are one, however they were spelled."""

    def __init__(self) -> None:
        self.series: list[SeriesKey] = []
        self.body_mark = 0
        self.is_grown = True
        """Whether the arrays moved since they were described."""
        self._numbers: dict[SeriesKey, int] = {}
        self.marks: Longs = np.zeros(_FIRST_ROOM, np.int64)
        self.places: Integers = np.zeros(_FIRST_ROOM, np.int32)
        self.in_use: Integers = np.zeros(_FIRST_ROOM, np.int32)
        self._objects: NDArray[np.object_] = np.empty(_FIRST_ROOM, np.object_)
        self._tuples: dict[bytes, tuple[SeriesKey, ...]] = {}
        """By the numbers of their series, those used the longest ago first."""
        self._in_tuples = 0

    @property
    def size_bytes(self) -> int:
        return _SERIES_BYTES * len(self.series) + _TUPLE_BYTES * len(self._tuples) + _ENTRY_BYTES * self._in_tuples

    def number(self, series: SeriesKey) -> int:
        number = self._numbers.setdefault(series, len(self.series))
        if number == len(self.series):
            self.series.append(series)
            if len(self.series) > len(self.marks):
                self.marks = doubled(self.marks)
                self.places, self.in_use = doubled(self.places), doubled(self.in_use)
                self._objects = doubled(self._objects)
                self.is_grown = True
            self._objects[number] = series
        return number

    def use(self, number: int, used_before: int) -> tuple[int, int]:
        """The place of a series in the body, and how many are used now."""
        if self.marks[number] != self.body_mark:
            self.marks[number] = self.body_mark
            self.places[number] = used_before
            self.in_use[used_before] = number
            return used_before, used_before + 1
        return int(self.places[number]), used_before

    def used(self, count: int) -> tuple[SeriesKey, ...]:
        """The same object for the same series in the same order: senders repeat theirs, and what was worked out for
        all of them is then found by one look."""
        numbers = self.in_use[:count].tobytes()
        found = self._tuples.pop(numbers, None)
        if found is None:
            found = tuple(self._objects[self.in_use[:count]].tolist())
            self._in_tuples += count
        self._tuples[numbers] = found
        while self._in_tuples > max(_IN_TUPLES, _TUPLES_OF_EACH * len(self.series)):
            self._in_tuples -= len(self._tuples.pop(next(iter(self._tuples))))
        return found

    def described(self) -> Longs:
        """For compiled code, until one is added."""
        self.is_grown = False
        description = np.zeros(NUMBERED_SIZE, np.int64)
        description[MARKS] = self.marks.ctypes.data
        description[PLACES] = self.places.ctypes.data
        description[IN_USE] = self.in_use.ctypes.data
        return description


@compiled
def place_in_body(numbered: int, series: int, body: int, used: int) -> int:
    """Of a series among those that the body uses; `used` when it is the next."""
    if long_at(long_at(numbered, MARKS), series) == body:
        return int_at(long_at(numbered, PLACES), series)
    put_long(long_at(numbered, MARKS), series, body)
    put_int(long_at(numbered, PLACES), series, used)
    put_int(long_at(numbered, IN_USE), used, series)
    return used


@compiled
def forget_used(numbered: int, first: int, used: int) -> None:
    """As if the body had never used those from `first` on."""
    for place in range(first, used):
        put_long(long_at(numbered, MARKS), int_at(long_at(numbered, IN_USE), place), 0)

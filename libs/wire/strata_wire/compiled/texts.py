"""The texts of the body that is being read, once each."""

from typing import Final

import numpy as np

from strata_wire.compiled.machine import Integers, Longs
from strata_wire.compiled.values import (
    TEXT_COUNT,
    TEXT_LENGTHS,
    TEXT_MARKS,
    TEXT_MASK,
    TEXT_ROOM,
    TEXT_STARTS,
    TEXT_TABLE,
    TEXTS_SIZE,
)

_ROOM: Final = 1 << 14


class Texts:
    """Where in the body each begins and how long it is. Whatever finds no room is read otherwise."""

    def __init__(self) -> None:
        self._table: Integers = np.zeros(2 * _ROOM, np.int32)
        self._marks: Longs = np.zeros(2 * _ROOM, np.int64)
        self.starts: Longs = np.zeros(_ROOM, np.int64)
        self.lengths: Integers = np.zeros(_ROOM, np.int32)
        self.description: Longs = np.zeros(TEXTS_SIZE, np.int64)
        self.description[TEXT_TABLE] = self._table.ctypes.data
        self.description[TEXT_MASK] = len(self._table) - 1
        self.description[TEXT_MARKS] = self._marks.ctypes.data
        self.description[TEXT_STARTS] = self.starts.ctypes.data
        self.description[TEXT_LENGTHS] = self.lengths.ctypes.data
        self.description[TEXT_ROOM] = _ROOM

    def __len__(self) -> int:
        return int(self.description[TEXT_COUNT])

    def clear(self) -> None:
        self.description[TEXT_COUNT] = 0

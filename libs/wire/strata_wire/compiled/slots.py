"""Byte strings, each with an owner, numbered from 0 in arrays that compiled code reads."""

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from strata_wire.compiled.machine import Integers, Longs, compiled
from strata_wire.compiled.octets import HASHES, LENGTHS, MASK, OFFSETS, OWNERS, SLOTS_SIZE, TABLE

_FIRST_SLOTS: Final = 32
_FIRST_BYTES: Final = 1 << 14
A = TypeVar("A", bound=np.generic)


def doubled(array: NDArray[A], fill: int = 0) -> NDArray[A]:
    """With room for as many again."""
    grown = np.full(2 * len(array), fill, array.dtype)
    grown[: len(array)] = array
    return grown


class Arena:
    """Bytes end to end. Its address changes when it grows."""

    def __init__(self) -> None:
        self._bytes: NDArray[np.uint8] = np.zeros(_FIRST_BYTES, np.uint8)
        self.size_bytes = 0

    @property
    def address(self) -> int:
        return int(self._bytes.ctypes.data)

    def append(self, raw: bytes) -> int:
        start, end = self.size_bytes, self.size_bytes + len(raw)
        while end > len(self._bytes):
            self._bytes = doubled(self._bytes)
        self._bytes[start:end] = np.frombuffer(raw, np.uint8)
        self.size_bytes = end
        return start

    def read(self, start: int, length: int) -> bytes:
        return self._bytes[start : start + length].tobytes()


class Slots:
    """An open hash table, at most half full."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self.count = 0
        self.table: Integers = np.full(2 * _FIRST_SLOTS, -1, np.int32)
        self.hashes: Longs = np.zeros(_FIRST_SLOTS, np.int64)
        self.offsets: Longs = np.zeros(_FIRST_SLOTS, np.int64)
        self.lengths: Integers = np.zeros(_FIRST_SLOTS, np.int32)
        self.owners: Integers = np.zeros(_FIRST_SLOTS, np.int32)

    @property
    def capacity(self) -> int:
        return len(self.hashes)

    def add(self, raw: bytes, hashed: int, owner: int) -> int:
        """The slot of bytes that were not found."""
        if self.count == self.capacity:
            self.hashes, self.offsets = doubled(self.hashes), doubled(self.offsets)
            self.lengths, self.owners = doubled(self.lengths), doubled(self.owners)
            self.table = np.full(2 * len(self.table), -1, np.int32)
            _place_all(self.table, self.hashes, self.count)
        slot = self.count
        self.hashes[slot] = hashed
        self.offsets[slot] = self._arena.append(raw)
        self.lengths[slot] = len(raw)
        self.owners[slot] = owner
        self.count += 1
        _place(self.table, hashed, slot)
        return slot

    def described(self) -> Longs:
        """For compiled code, until something is added."""
        description = np.zeros(SLOTS_SIZE, np.int64)
        description[TABLE] = self.table.ctypes.data
        description[MASK] = len(self.table) - 1
        description[HASHES] = self.hashes.ctypes.data
        description[OFFSETS] = self.offsets.ctypes.data
        description[LENGTHS] = self.lengths.ctypes.data
        description[OWNERS] = self.owners.ctypes.data
        return description

    def raw(self, slot: int) -> bytes:
        return self._arena.read(int(self.offsets[slot]), int(self.lengths[slot]))


@compiled
def _place(table: Integers, hashed: int, slot: int) -> None:
    mask = len(table) - 1
    place = hashed & mask
    while table[place] >= 0:
        place = (place + 1) & mask
    table[place] = slot


@compiled
def _place_all(table: Integers, hashes: Longs, count: int) -> None:
    for slot in range(count):
        _place(table, hashes[slot], slot)

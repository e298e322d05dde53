"""Comparing, hashing and finding bytes at addresses, and reading digits eight at a time."""

from typing import Final

import numpy as np

from strata_wire.compiled.machine import byte_at, compiled, int_at, long_at, signed, word_at

# What describes byte strings that are kept in slots: addresses of arrays, and the bits that choose a place.
TABLE: Final = 0
MASK: Final = 1
HASHES: Final = 2
OFFSETS: Final = 3
LENGTHS: Final = 4
OWNERS: Final = 5
SLOTS_SIZE: Final = 6

_ZERO: Final = 48
_NINE: Final = 57
_HIGH_NIBBLES: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_SIXES: Final = np.uint64(0x0606060606060606)
_DIGITS: Final = np.uint64(0x3333333333333333)
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_POSITIVE: Final = np.uint64(0x7FFFFFFFFFFFFFFF)


@compiled
def same_bytes(left: int, right: int, length: int) -> bool:
    at = 0
    while at + 8 <= length:
        if word_at(left + at) != word_at(right + at):
            return False
        at += 8
    if at < length:
        if length >= 8:
            return bool(word_at(left + length - 8) == word_at(right + length - 8))
        while at < length:
            if byte_at(left + at) != byte_at(right + at):
                return False
            at += 1
    return True


@compiled
def hash_of(address: int, length: int, seed: int) -> int:
    mixed = np.uint64(seed) * _MIX + np.uint64(length)
    at = 0
    while at + 8 <= length:
        mixed = (mixed ^ word_at(address + at)) * _MIX
        mixed ^= mixed >> np.uint64(29)
        at += 8
    while at < length:
        mixed = (mixed ^ np.uint64(byte_at(address + at))) * _MIX
        mixed ^= mixed >> np.uint64(29)
        at += 1
    mixed ^= mixed >> np.uint64(32)
    return signed(mixed & _POSITIVE)


@compiled
def find(slots: int, arena: int, owner: int, address: int, length: int, hashed: int) -> int:
    """The slot of these bytes under this owner among the slots that are described there, or -1."""
    table = long_at(slots, TABLE)
    place = hashed & long_at(slots, MASK)
    while True:
        slot = int_at(table, place)
        if slot < 0:
            return -1
        if (
            long_at(long_at(slots, HASHES), slot) == hashed
            and int_at(long_at(slots, OWNERS), slot) == owner
            and int_at(long_at(slots, LENGTHS), slot) == length
            and same_bytes(arena + long_at(long_at(slots, OFFSETS), slot), address, length)
        ):
            return slot
        place = (place + 1) & long_at(slots, MASK)


@compiled
def are_eight_digits(word: np.uint64) -> bool:
    return bool(((word & _HIGH_NIBBLES) | (((word + _SIXES) & _HIGH_NIBBLES) >> np.uint64(4))) == _DIGITS)


@compiled
def eight_digits(word: np.uint64) -> np.uint64:
    word = ((word & np.uint64(0x0F0F0F0F0F0F0F0F)) * np.uint64(2561)) >> np.uint64(8)
    word = ((word & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
    return ((word & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)) >> np.uint64(32)


@compiled
def digits_at(base: int, at: int, length: int, value: np.uint64) -> tuple[int, np.uint64]:
    """Where the digits end, and `value` with them appended; it wraps around when there are too many."""
    while at + 8 <= length:
        word = word_at(base + at)
        if not are_eight_digits(word):
            break
        value = value * np.uint64(100000000) + eight_digits(word)
        at += 8
    while at < length:
        byte = byte_at(base + at)
        if byte < _ZERO or byte > _NINE:
            break
        value = value * np.uint64(10) + np.uint64(byte - _ZERO)
        at += 1
    return at, value

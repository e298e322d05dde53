"""How an entry stands in Redis: its generation, its version in digits that a script can compare, and the rest."""

import struct
from typing import Final

from strata_core.ports.cache import VERSION_MAX, Entry

GENERATION_BYTES: Final = 16
VERSION_DIGITS: Final = 16
_FIXED: Final = struct.Struct(">QQQ")
_HEAD_BYTES: Final = GENERATION_BYTES + VERSION_DIGITS + _FIXED.size


def version_digits(version: int) -> bytes:
    return b"%016d" % max(0, min(version, VERSION_MAX))


def packed(generation: bytes, entry: Entry) -> bytes:
    fixed = _FIXED.pack(entry.made_at_ms, entry.fresh_ms, entry.cost_ms)
    return generation + version_digits(entry.version) + fixed + entry.body


def unpacked(data: bytes, generation: bytes) -> Entry | None:
    """None for one of another generation, and for bytes that are no entry."""
    if len(data) < _HEAD_BYTES or not data.startswith(generation):
        return None
    digits = data[GENERATION_BYTES : GENERATION_BYTES + VERSION_DIGITS]
    if not digits.isdigit():
        return None
    made_at_ms, fresh_ms, cost_ms = _FIXED.unpack_from(data, GENERATION_BYTES + VERSION_DIGITS)
    return Entry(data[_HEAD_BYTES:], int(digits), made_at_ms, fresh_ms, cost_ms)

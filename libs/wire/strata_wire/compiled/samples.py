"""The walk over a body of Prometheus remote write, either version. It takes only series that are plain through and
through and stops at any other: what such a series means is for the plain reading to say.
"""

from typing import Final

import numpy as np

from strata_wire.compiled.machine import (
    byte_at,
    compiled,
    double_of_bits,
    int_at,
    long_at,
    put_double,
    put_int,
    put_long,
    word_at,
)
from strata_wire.compiled.numbered_series import forget_used, place_in_body
from strata_wire.compiled.octets import LENGTHS, OFFSETS, find, hash_of, same_bytes

# Why a walk ended.
DONE: Final = 0
ODD: Final = -1
NEW_KEY: Final = 2
NEW_SERIES: Final = 3
NEW_SYMBOL: Final = 4
FULL: Final = 5

# Places in the description of a walk. First what changes on the way:
AT: Final = 0
POINTS: Final = 1
USED: Final = 2
SERIES: Final = 3
LAST_KEY: Final = 4
TEXTS: Final = 5  # more than 0 when there may be any among the values
# what was not known when it ended,
KEY: Final = 6
CLASS: Final = 7
START: Final = 8
END: Final = 9
HASH: Final = 10
SYMBOL: Final = 11
# what the body is and may hold,
BASE: Final = 12
LENGTH: Final = 13
BODY_MARK: Final = 14
OLDEST_MS: Final = 15
NEWEST_MS: Final = 16
# addresses of what is known of series: bytes; keys, which key came after each the last time, the series of each key and
# class; the series that the body uses,
ARENA: Final = 17
KEYS: Final = 18
KEY_FOLLOWING: Final = 19
KEY_SERIES: Final = 20
NUMBERED: Final = 21
# of symbols, in version 2: those that are known; where each of the body's begins, how long it is and which of the known
# ones it is; room for the key that is being read,
SYMBOLS: Final = 22
SYMBOL_STARTS: Final = 23
SYMBOL_LENGTHS: Final = 24
SYMBOL_NUMBERS: Final = 25
SYMBOL_COUNT: Final = 26
KEY_ROOM: Final = 27
# and of columns.
OUT_SERIES: Final = 28
OUT_TIMES: Final = 29
OUT_VALUES: Final = 30
OUT_ROOM: Final = 31
WALK_SIZE: Final = 32

CLASSES: Final = 2
NUMBER: Final = 0
TEXT: Final = 1
KEY_SEED: Final = 3
SYMBOL_SEED: Final = 4
REFERENCES_MAX: Final = 256

# Tags of fields: their number and wire type in a byte.
_SERIES_1: Final = 0x0A
_SERIES_2: Final = 0x2A
_SYMBOL: Final = 0x22
_LABEL: Final = 0x0A
_LABEL_UNPACKED: Final = 0x08
_SAMPLE: Final = 0x12
_EXEMPLAR_1: Final = 0x1A
_EXEMPLAR_2: Final = 0x22
_METADATA_2: Final = 0x2A
_VALUE: Final = 0x09
_TIME: Final = 0x10
_START_TIME: Final = 0x18

_LENGTH_BYTES: Final = 4
_VARINT_BYTES: Final = 9
_MS_NS: Final = 1_000_000
_SIGN: Final = np.uint64(1 << 63)
_EXPONENT: Final = np.uint64(0x7FF0_0000_0000_0000)
_STALE: Final = np.uint64(0x7FF0_0000_0000_0002)
_INFINITE: Final = np.uint64(0x7FF0_0000_0000_0000)
_NO_BITS: Final = np.uint64(0)


@compiled
def walk(w: int) -> int:
    """From AT on. Ends before the series that it stops at, which leaves no trace."""
    base, length = long_at(w, BASE), long_at(w, LENGTH)
    has_symbols = long_at(w, SYMBOLS) != 0
    status = DONE
    while status == DONE:
        start = long_at(w, AT)
        if start >= length:
            break
        tag = byte_at(base + start)
        at, end = content_at(base, start + 1, length)
        if at == ODD:
            status = ODD
        elif has_symbols and tag == _SYMBOL:
            put_long(w, AT, end)
        elif tag != (_SERIES_2 if has_symbols else _SERIES_1):
            status = ODD
        else:
            status = series_at(w, base, at, end)
    return status


@compiled
def series_at(w: int, base: int, at: int, end: int) -> int:
    first_point, first_used = long_at(w, POINTS), long_at(w, USED)
    if long_at(w, SYMBOLS) != 0:
        status, key, at = referred_key_at(w, base, at, end)
    else:
        status, key, at = key_at(w, base, at, end)
    if status == DONE:
        status = samples_at(w, base, at, end, key)
    if status == DONE:
        put_long(w, AT, end)
        put_long(w, SERIES, long_at(w, SERIES) + 1)
        put_long(w, LAST_KEY, key)
    else:
        forget_used(long_at(w, NUMBERED), first_used, long_at(w, USED))
        put_long(w, POINTS, first_point)
        put_long(w, USED, first_used)
    return status


@compiled
def content_at(base: int, at: int, end: int) -> tuple[int, int]:
    """Where the content begins whose length stands at `at`, or ODD, and where it ends."""
    value, shift = 0, 0
    last = min(end, at + _LENGTH_BYTES)
    while at < last:
        byte = byte_at(base + at)
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (ODD, at) if value > end - at else (at, at + value)
        shift += 7
    return ODD, at


@compiled
def varint_at(base: int, at: int, end: int) -> tuple[int, int]:
    """Where the number ends, or ODD, and what it is. Those with a sign bit are odd."""
    value, shift = 0, 0
    last = min(end, at + _VARINT_BYTES)
    while at < last:
        byte = byte_at(base + at)
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return at, value
        shift += 7
    return ODD, 0


@compiled
def key_at(w: int, base: int, at: int, end: int) -> tuple[int, int, int]:
    """The slot of the labels' bytes, most often of those that followed the last ones before, and where they end."""
    guess = guessed(w)
    if guess >= 0:
        keys = long_at(w, KEYS)
        stop = at + int_at(long_at(keys, LENGTHS), guess)
        if (
            stop <= end
            and (stop == end or byte_at(base + stop) != _LABEL)
            and same_bytes(base + at, long_at(w, ARENA) + long_at(long_at(keys, OFFSETS), guess), stop - at)
        ):
            return DONE, guess, stop
    start = at
    while at < end and byte_at(base + at) == _LABEL:
        content, at = content_at(base, at + 1, end)
        if content == ODD:
            return ODD, -1, at
    if at == start:
        return ODD, -1, at
    status, key = found(w, base + start, at - start, guess)
    if status != DONE:
        put_long(w, START, start)
        put_long(w, END, at)
    return status, key, at


@compiled
def referred_key_at(w: int, base: int, at: int, end: int) -> tuple[int, int, int]:
    """The same of labels that are numbers of symbols: their key is the numbers that the symbols have here."""
    if at >= end or byte_at(base + at) != _LABEL:
        return ODD, -1, at
    at, stop = content_at(base, at + 1, end)
    if at == ODD or (stop < end and byte_at(base + stop) in (_LABEL, _LABEL_UNPACKED)):
        return ODD, -1, stop
    status, count = references_at(w, base, at, stop)
    if status != DONE:
        return status, -1, stop
    room, guess = long_at(w, KEY_ROOM), guessed(w)
    if guess >= 0:
        keys = long_at(w, KEYS)
        if int_at(long_at(keys, LENGTHS), guess) == 4 * count and same_bytes(
            room, long_at(w, ARENA) + long_at(long_at(keys, OFFSETS), guess), 4 * count
        ):
            return DONE, guess, stop
    status, key = found(w, room, 4 * count, guess)
    if status != DONE:
        put_long(w, END, count)
    return status, key, stop


@compiled
def references_at(w: int, base: int, at: int, end: int) -> tuple[int, int]:
    """Puts what the symbols are numbered here into the room for a key; how many they are."""
    room, count, known, numbers = long_at(w, KEY_ROOM), 0, long_at(w, SYMBOL_COUNT), long_at(w, SYMBOL_NUMBERS)
    while at < end:
        # Nearly all of them have one byte or two.
        reference = byte_at(base + at)
        if reference < 0x80:
            at += 1
        elif at + 1 < end and byte_at(base + at + 1) < 0x80:
            reference = (reference & 0x7F) | (byte_at(base + at + 1) << 7)
            at += 2
        else:
            at, reference = varint_at(base, at, end)
        if at == ODD or reference >= known or count == REFERENCES_MAX:
            return ODD, count
        number = int_at(numbers, reference)
        if number < 0:
            number = symbol_number(w, base, reference)
        if number < 0:
            return NEW_SYMBOL, count
        put_int(room, count, number)
        count += 1
    return (ODD if count == 0 or count % 2 else DONE), count


@compiled
def symbol_number(w: int, base: int, reference: int) -> int:
    """Of a symbol that the body did not use yet, or -1 when it is new."""
    at = base + long_at(long_at(w, SYMBOL_STARTS), reference)
    length = int_at(long_at(w, SYMBOL_LENGTHS), reference)
    hashed = hash_of(at, length, SYMBOL_SEED)
    number = find(long_at(w, SYMBOLS), long_at(w, ARENA), 0, at, length, hashed)
    put_int(long_at(w, SYMBOL_NUMBERS), reference, number)
    put_long(w, SYMBOL, reference)
    put_long(w, HASH, hashed)
    return number


@compiled
def guessed(w: int) -> int:
    last = long_at(w, LAST_KEY)
    return int_at(long_at(w, KEY_FOLLOWING), last) if last >= 0 else -1


@compiled
def found(w: int, address: int, length: int, guess: int) -> tuple[int, int]:
    hashed = hash_of(address, length, KEY_SEED)
    key = find(long_at(w, KEYS), long_at(w, ARENA), 0, address, length, hashed)
    if key < 0:
        put_long(w, HASH, hashed)
        return NEW_KEY, -1
    last = long_at(w, LAST_KEY)
    if last >= 0 and key != guess:
        put_int(long_at(w, KEY_FOLLOWING), last, key)
    return DONE, key


@compiled
def samples_at(w: int, base: int, at: int, end: int, key: int) -> int:
    """Appends the points of the series."""
    has_symbols = long_at(w, SYMBOLS) != 0
    room, body = long_at(w, OUT_ROOM), long_at(w, BODY_MARK)
    point, used = long_at(w, POINTS), long_at(w, USED)
    status = DONE
    while at < end and status == DONE:
        tag = byte_at(base + at)
        at, stop = content_at(base, at + 1, end)
        if at == ODD:
            return ODD
        if tag == _SAMPLE:
            is_plain, bits, time_ms = sample_at(base, at, stop)
            if not is_plain or time_ms < long_at(w, OLDEST_MS) or time_ms > long_at(w, NEWEST_MS):
                return ODD
            if point >= room:
                return FULL
            field_class = TEXT if (bits & _EXPONENT) == _EXPONENT else NUMBER
            series = int_at(long_at(w, KEY_SERIES), CLASSES * key + field_class)
            if series < 0:
                put_long(w, KEY, key)
                put_long(w, CLASS, field_class)
                return NEW_SERIES
            place = place_in_body(long_at(w, NUMBERED), series, body, used)
            if place == used:
                used += 1
                put_long(w, USED, used)
            put_int(long_at(w, OUT_SERIES), point, place)
            put_long(long_at(w, OUT_TIMES), point, time_ms * _MS_NS)
            if field_class == NUMBER:
                put_double(long_at(w, OUT_VALUES), point, double_of_bits(bits))
            else:
                put_double(long_at(w, OUT_VALUES), point, np.float64(text_number(bits)))
                put_long(w, TEXTS, 1)
            point += 1
            put_long(w, POINTS, point)
        elif not (tag in (_EXEMPLAR_2, _METADATA_2) if has_symbols else tag == _EXEMPLAR_1):
            status = ODD
        at = stop
    return status


@compiled
def sample_at(base: int, at: int, end: int) -> tuple[bool, np.uint64, int]:
    """Bits of the value and milliseconds. What is zero is left out by those who send it."""
    bits, time_ms = _NO_BITS, 0
    if at + 9 <= end and byte_at(base + at) == _VALUE:
        bits = word_at(base + at + 1)
        at += 9
    if at < end and byte_at(base + at) == _TIME:
        at, time_ms = varint_at(base, at + 1, end)
        if at == ODD:
            return False, bits, 0
    if at < end and byte_at(base + at) == _START_TIME:
        at, _ = varint_at(base, at + 1, end)
        if at == ODD:
            return False, bits, 0
    return at == end, bits, time_ms


@compiled
def text_number(bits: np.uint64) -> int:
    """Which of the texts stands for this value, which is no number."""
    if bits == _STALE:
        return 0
    if (bits & ~_SIGN) != _INFINITE:
        return 1
    return 3 if bits & _SIGN else 2


@compiled
def gather_symbols(base: int, length: int, starts: int, lengths: int, room: int) -> int:
    """How many symbols the body has; ODD when it is not plain or has more than there is room for."""
    at = count = 0
    while at < length:
        tag = byte_at(base + at)
        at, stop = content_at(base, at + 1, length)
        if at == ODD or tag not in (_SYMBOL, _SERIES_2):
            return ODD
        if tag == _SYMBOL:
            if count == room:
                return ODD
            put_long(starts, count, at)
            put_int(lengths, count, stop - at)
            count += 1
        at = stop
    return count

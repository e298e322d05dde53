"""The walk over a body of line protocol. It takes only lines that are plain through and through and stops at any other:
what such a line means is for the grammar to say.
"""

from typing import Final

import numpy as np

from strata_wire.compiled.machine import byte_at, compiled, int_at, long_at, put_double, put_int, put_long, signed
from strata_wire.compiled.octets import LENGTHS, OFFSETS, digits_at, find, hash_of, same_bytes
from strata_wire.compiled.values import ODD, value_at

# Why a walk ended.
DONE: Final = 0
ODD_LINE: Final = 1
NEW_KEY: Final = 2
NEW_NAME: Final = 3
NEW_SERIES: Final = 4
FULL: Final = 5

# Places in the description of a walk. First what changes on the way:
AT: Final = 0
POINTS: Final = 1
USED: Final = 2
LINES: Final = 3
LINE_MARK: Final = 4
LAST_KEY: Final = 5
TIME_START: Final = 6
TIME_LENGTH: Final = 7
TIME: Final = 8
# what was not known when it ended,
KEY: Final = 9
NAME: Final = 10
CLASS: Final = 11
START: Final = 12
END: Final = 13
HASH: Final = 14
# what the body is and may hold,
BASE: Final = 15
LENGTH: Final = 16
BODY_MARK: Final = 17
UNIT_NS: Final = 18
OLDEST_NS: Final = 19
NEWEST_NS: Final = 20
RECEIVED_NS: Final = 21
FIELDS_MAX: Final = 22
LINE_BYTES_MAX: Final = 23
STRING_BYTES_MAX: Final = 24
# addresses of what is known of series: bytes; keys, which key came after each the last time, the name that each one's
# fields began with; names, which name came after each, the line that had each last, the series of each and class,
ARENA: Final = 25
KEYS: Final = 26
KEY_FOLLOWING: Final = 27
KEY_FIRST: Final = 28
NAMES: Final = 29
NAME_FOLLOWING: Final = 30
NAME_MARKS: Final = 31
NAME_SERIES: Final = 32
# of the series that the body uses: the body that used each last, its place in that, and those in use in their order,
SERIES_MARKS: Final = 33
SERIES_PLACES: Final = 34
SERIES_USED: Final = 35
# and of texts and columns.
TEXTS: Final = 36
OUT_SERIES: Final = 37
OUT_TIMES: Final = 38
OUT_VALUES: Final = 39
OUT_ROOM: Final = 40
WALK_SIZE: Final = 41

CLASSES: Final = 3
KEY_SEED: Final = 0
NAME_SEED: Final = 2

_TAB: Final = 9
_NEWLINE: Final = 10
_RETURN: Final = 13
_SPACE: Final = 32
_QUOTE: Final = 34
_HASH: Final = 35
_COMMA: Final = 44
_NINE: Final = 57
_EQUALS: Final = 61
_BACKSLASH: Final = 92
_DELETE: Final = 127
_TIME_DIGITS: Final = 18


@compiled
def walk(w: int) -> int:
    """From AT on. Ends before the line that it stops at, which leaves no trace."""
    base, length = long_at(w, BASE), long_at(w, LENGTH)
    status = DONE
    while status == DONE:
        start = long_at(w, AT)
        at = next_line(base, start, length)
        if at >= length:
            break
        first_point, first_used = long_at(w, POINTS), long_at(w, USED)
        time_ns = 0
        status, key, end = key_at(w, base, at, length)
        if status == DONE:
            status, end = fields_at(w, base, end + 1, length, key)
        if status == DONE:
            end, time_ns = time_at(w, base, end, length)
            if end == ODD or end - start > long_at(w, LINE_BYTES_MAX):
                status = ODD_LINE
        if status == DONE:
            for point in range(first_point, long_at(w, POINTS)):
                put_long(long_at(w, OUT_TIMES), point, time_ns)
            put_long(w, AT, end)
            put_long(w, LINES, long_at(w, LINES) + 1)
            put_long(w, LAST_KEY, key)
        else:
            for place in range(first_used, long_at(w, USED)):
                put_long(long_at(w, SERIES_MARKS), int_at(long_at(w, SERIES_USED), place), 0)
            put_long(w, POINTS, first_point)
            put_long(w, USED, first_used)
    return status


@compiled
def next_line(base: int, at: int, length: int) -> int:
    """Where the next line begins that is neither empty nor a comment, blanks in front of it left out."""
    while at < length:
        byte = byte_at(base + at)
        if byte == _HASH:
            while at < length and byte_at(base + at) != _NEWLINE:
                at += 1
        elif byte not in (_SPACE, _TAB, _RETURN, _NEWLINE):
            return at
        at += 1
    return length


@compiled
def key_at(w: int, base: int, at: int, length: int) -> tuple[int, int, int]:
    """The slot of the key, most often of the one that followed the last one before, and where it ends."""
    keys, last = long_at(w, KEYS), long_at(w, LAST_KEY)
    if last >= 0:
        guess = int_at(long_at(w, KEY_FOLLOWING), last)
        if guess >= 0:
            known = int_at(long_at(keys, LENGTHS), guess)
            if (
                at + known < length
                and byte_at(base + at + known) == _SPACE
                and same_bytes(base + at, long_at(w, ARENA) + long_at(long_at(keys, OFFSETS), guess), known)
            ):
                return DONE, guess, at + known
    end = key_end(base, at, length)
    if end == ODD or byte_at(base + at) == _COMMA:
        return ODD_LINE, -1, end
    hashed = hash_of(base + at, end - at, KEY_SEED)
    key = find(keys, long_at(w, ARENA), 0, base + at, end - at, hashed)
    if key < 0:
        note(w, at, end, hashed)
        return NEW_KEY, -1, end
    if last >= 0:
        put_int(long_at(w, KEY_FOLLOWING), last, key)
    return DONE, key, end


@compiled
def fields_at(w: int, base: int, at: int, length: int, key: int) -> tuple[int, int]:
    """Appends the points of a line, without their time; where its fields end."""
    line, body, texts = long_at(w, LINE_MARK) + 1, long_at(w, BODY_MARK), long_at(w, TEXTS)
    put_long(w, LINE_MARK, line)
    marks, following = long_at(w, NAME_MARKS), long_at(w, NAME_FOLLOWING)
    longest = long_at(w, STRING_BYTES_MAX)
    point = long_at(w, POINTS)
    end_of_room = min(point + long_at(w, FIELDS_MAX), long_at(w, OUT_ROOM))
    name = -1
    guess = int_at(long_at(w, KEY_FIRST), key)
    while True:
        status, slot, end = name_at(w, base, at, length, key, guess)
        if status != DONE:
            return status, at
        if slot != guess:
            if name < 0:
                put_int(long_at(w, KEY_FIRST), key, slot)
            else:
                put_int(following, name, slot)
        name = slot
        at = end + 1
        if long_at(marks, slot) == line or at >= length:
            return ODD_LINE, at
        if point >= end_of_room:
            return (FULL if end_of_room == long_at(w, OUT_ROOM) else ODD_LINE), at
        put_long(marks, slot, line)
        field_class, end, value = value_at(base, at, length, longest, body, texts)
        if end == ODD:
            return ODD_LINE, at
        at = end
        series = int_at(long_at(w, NAME_SERIES), slot * CLASSES + field_class)
        if series < 0:
            put_long(w, KEY, key)
            put_long(w, NAME, slot)
            put_long(w, CLASS, field_class)
            return NEW_SERIES, at
        put_int(long_at(w, OUT_SERIES), point, place_of(w, series, body))
        put_double(long_at(w, OUT_VALUES), point, value)
        point += 1
        put_long(w, POINTS, point)
        if at >= length or byte_at(base + at) != _COMMA:
            return DONE, at
        at += 1
        guess = int_at(following, slot)


@compiled
def place_of(w: int, series: int, body: int) -> int:
    """Of a series among those that the body uses."""
    if long_at(long_at(w, SERIES_MARKS), series) == body:
        return int_at(long_at(w, SERIES_PLACES), series)
    place = long_at(w, USED)
    put_long(long_at(w, SERIES_MARKS), series, body)
    put_int(long_at(w, SERIES_PLACES), series, place)
    put_int(long_at(w, SERIES_USED), place, series)
    put_long(w, USED, place + 1)
    return place


@compiled
def name_at(w: int, base: int, at: int, length: int, key: int, guess: int) -> tuple[int, int, int]:
    """The slot of the name, most often the one that was guessed, and where it ends."""
    names = long_at(w, NAMES)
    if guess >= 0:
        known = int_at(long_at(names, LENGTHS), guess)
        if (
            at + known < length
            and byte_at(base + at + known) == _EQUALS
            and same_bytes(base + at, long_at(w, ARENA) + long_at(long_at(names, OFFSETS), guess), known)
        ):
            return DONE, guess, at + known
    end = name_end(base, at, length)
    if end <= at:
        return ODD_LINE, -1, end
    hashed = hash_of(base + at, end - at, key + NAME_SEED)
    slot = find(names, long_at(w, ARENA), key, base + at, end - at, hashed)
    if slot < 0:
        note(w, at, end, hashed)
        put_long(w, KEY, key)
        return NEW_NAME, -1, end
    return DONE, slot, end


@compiled
def note(w: int, start: int, end: int, hashed: int) -> None:
    """What was not known."""
    put_long(w, START, start)
    put_long(w, END, end)
    put_long(w, HASH, hashed)


@compiled
def time_at(w: int, base: int, at: int, length: int) -> tuple[int, int]:
    """Past the line's end, or ODD, and its time, often that of the line before."""
    if at >= length or byte_at(base + at) != _SPACE:
        return line_end(base, at, length), long_at(w, RECEIVED_NS)
    at += 1
    known = long_at(w, TIME_LENGTH)
    end = at + known
    if (
        known > 0
        and end <= length
        and (end == length or byte_at(base + end) <= _SPACE)
        and same_bytes(base + at, base + long_at(w, TIME_START), known)
    ):
        return line_end(base, end, length), long_at(w, TIME)
    end, unsigned = digits_at(base, at, length, np.uint64(0))
    # Nineteen digits fit when the first is no nine.
    if end == at or end - at > _TIME_DIGITS + (byte_at(base + at) < _NINE):
        return ODD, 0
    units, unit_ns = signed(unsigned), long_at(w, UNIT_NS)
    if units > long_at(w, NEWEST_NS) // unit_ns or units * unit_ns < long_at(w, OLDEST_NS):
        return ODD, 0
    put_long(w, TIME_START, at)
    put_long(w, TIME_LENGTH, end - at)
    put_long(w, TIME, units * unit_ns)
    return line_end(base, end, length), units * unit_ns


@compiled
def key_end(base: int, at: int, length: int) -> int:
    """The space after a key, or ODD. A space after a backslash belongs to it."""
    while at < length:
        byte = byte_at(base + at)
        if byte <= _SPACE or byte == _DELETE:
            return at if byte == _SPACE else ODD
        if byte == _BACKSLASH and at + 1 < length and byte_at(base + at + 1) == _SPACE:
            at += 1
        at += 1
    return ODD


@compiled
def name_end(base: int, at: int, length: int) -> int:
    """The equals sign after a field's name, or ODD for a name that needs a closer look."""
    while at < length:
        byte = byte_at(base + at)
        if byte == _EQUALS:
            return at
        if byte <= _SPACE or byte in (_QUOTE, _COMMA, _BACKSLASH, _DELETE):
            return ODD
        at += 1
    return ODD


@compiled
def line_end(base: int, at: int, length: int) -> int:
    """Past the newline of a line that has only blanks left, or ODD."""
    while at < length:
        byte = byte_at(base + at)
        if byte == _NEWLINE:
            return at + 1
        if byte not in (_SPACE, _TAB, _RETURN):
            return ODD
        at += 1
    return at

"""Values of fields: numbers, booleans and strings that are plain. Whatever is not is odd, and left to the grammar."""

from typing import Final

import numpy as np

from strata_wire.compiled.decimals import GREATEST_POWER, SMALLEST_POWER, nearest_double
from strata_wire.compiled.machine import byte_at, compiled, int_at, long_at, put_int, put_long, signed
from strata_wire.compiled.octets import digits_at, hash_of, same_bytes

NUMBER: Final = 0
BOOLEAN: Final = 1
STRING: Final = 2
ODD: Final = -1

# What describes the texts of one body: a hash table of their numbers, marked with the body that an entry is of.
TEXT_TABLE: Final = 0
TEXT_MASK: Final = 1
TEXT_MARKS: Final = 2
TEXT_STARTS: Final = 3
TEXT_LENGTHS: Final = 4
TEXT_ROOM: Final = 5
TEXT_COUNT: Final = 6
TEXTS_SIZE: Final = 7

_SPACE: Final = 32
_QUOTE: Final = 34
_PLUS: Final = 43
_COMMA: Final = 44
_MINUS: Final = 45
_POINT: Final = 46
_UPPER_E: Final = 69
_BACKSLASH: Final = 92
_LOWER_E: Final = 101
_INTEGER: Final = 105
_UNSIGNED: Final = 117
_LAST_PLAIN: Final = 126
_INTEGER_DIGITS: Final = 18
_FLOAT_DIGITS: Final = 19
_EXPONENT_DIGITS: Final = 4


@compiled
def value_at(base: int, at: int, length: int, longest: int, mark: int, texts: int) -> tuple[int, int, float]:
    """Its class, where it ends or ODD, and its number: that of its text for a string."""
    byte = byte_at(base + at)
    if byte == _QUOTE:
        end = string_end(base, at, length)
        number = -1
        if end >= 0 and end - at - 2 <= longest:
            number = text_number(base, at + 1, end - at - 2, mark, texts)
        return STRING, (end if number >= 0 else ODD), np.float64(number)
    if byte in (116, 84, 102, 70):  # t, T, f, F
        end, value = boolean_at(base, at, length)
        return BOOLEAN, end, value
    end, value = number_at(base, at, length)
    return NUMBER, end, value


@compiled
def number_at(base: int, at: int, length: int) -> tuple[int, float]:
    """Where the number ends, or ODD, and what it is. Numbers whose digits might not fit are odd."""
    first = byte_at(base + at)
    is_negative = first == _MINUS
    is_signed = is_negative or first == _PLUS
    start = at + 1 if is_signed else at
    at, mantissa = digits_at(base, start, length, np.uint64(0))
    whole = at - start
    if at < length and byte_at(base + at) in (_INTEGER, _UNSIGNED):
        if not 1 <= whole <= _INTEGER_DIGITS or (is_signed and byte_at(base + at) == _UNSIGNED):
            return ODD, 0.0
        number = float(signed(mantissa))
        return at + 1, -number if is_negative else number
    fraction = 0
    if at < length and byte_at(base + at) == _POINT:
        start = at + 1
        at, mantissa = digits_at(base, start, length, mantissa)
        fraction = at - start
    end, power = exponent_at(base, at, length)
    power -= fraction
    if end == ODD or not 1 <= whole + fraction <= _FLOAT_DIGITS or not SMALLEST_POWER <= power <= GREATEST_POWER:
        return ODD, 0.0
    is_settled, number = nearest_double(mantissa, power)
    return (end if is_settled else ODD), -number if is_negative else number


@compiled
def exponent_at(base: int, at: int, length: int) -> tuple[int, int]:
    """Where the exponent ends, or ODD; 0 when there is none."""
    if at >= length or byte_at(base + at) not in (_LOWER_E, _UPPER_E):
        return at, 0
    at += 1
    is_negative = at < length and byte_at(base + at) == _MINUS
    if at < length and byte_at(base + at) in (_MINUS, _PLUS):
        at += 1
    end, digits = digits_at(base, at, length, np.uint64(0))
    if not 1 <= end - at <= _EXPONENT_DIGITS:
        return ODD, 0
    power = signed(digits)
    return end, -power if is_negative else power


@compiled
def is_word(base: int, at: int, end: int, a: int, b: int, c: int, d: int, e: int) -> bool:
    length = 5 if e else 4
    if end - at != length:
        return False
    return (
        byte_at(base + at) == a
        and byte_at(base + at + 1) == b
        and byte_at(base + at + 2) == c
        and byte_at(base + at + 3) == d
        and (not e or byte_at(base + at + 4) == e)
    )


@compiled
def boolean_at(base: int, at: int, length: int) -> tuple[int, float]:
    """Where the boolean ends, or ODD."""
    end = at + 1
    while end < length:
        byte = byte_at(base + end)
        if byte == _COMMA or byte <= _SPACE:
            break
        end += 1
    first = byte_at(base + at)
    is_true = first in (116, 84)  # t, T
    if end == at + 1:
        return end, 1.0 if is_true else 0.0
    if is_true:
        if (
            is_word(base, at, end, 116, 114, 117, 101, 0)
            or is_word(base, at, end, 84, 114, 117, 101, 0)
            or is_word(base, at, end, 84, 82, 85, 69, 0)
        ):
            return end, 1.0
    elif (
        is_word(base, at, end, 102, 97, 108, 115, 101)
        or is_word(base, at, end, 70, 97, 108, 115, 101)
        or is_word(base, at, end, 70, 65, 76, 83, 69)
    ):
        return end, 0.0
    return ODD, 0.0


@compiled
def string_end(base: int, at: int, length: int) -> int:
    """Past the closing quote of the string that opens here; ODD for what is not plain ASCII."""
    at += 1
    while at < length:
        byte = byte_at(base + at)
        if byte == _QUOTE:
            return at + 1
        if byte < _SPACE or byte == _BACKSLASH or byte > _LAST_PLAIN:
            return ODD
        at += 1
    return ODD


@compiled
def text_number(base: int, at: int, length: int, mark: int, texts: int) -> int:
    """Which of the body's texts these bytes are, the newest if they are new; -1 when there is no room."""
    table, marks = long_at(texts, TEXT_TABLE), long_at(texts, TEXT_MARKS)
    starts, lengths = long_at(texts, TEXT_STARTS), long_at(texts, TEXT_LENGTHS)
    mask = long_at(texts, TEXT_MASK)
    place = hash_of(base + at, length, 1) & mask
    while long_at(marks, place) == mark:
        number = int_at(table, place)
        if int_at(lengths, number) == length and same_bytes(base + long_at(starts, number), base + at, length):
            return number
        place = (place + 1) & mask
    number = long_at(texts, TEXT_COUNT)
    if number >= long_at(texts, TEXT_ROOM):
        return -1
    put_long(marks, place, mark)
    put_int(table, place, number)
    put_long(starts, number, at)
    put_int(lengths, number, length)
    put_long(texts, TEXT_COUNT, number + 1)
    return number

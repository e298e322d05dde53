"""The grammar of one line: where it ends, what its sections are, what its names and values mean.

Special characters are escaped by the one backslash before them and every other backslash is itself, as in InfluxDB.
A quote opens a string only as the first byte of a field's value.
"""

import math
import re
from enum import StrEnum
from typing import Final, NamedTuple

from strata_datamodel.limits import (
    NAME_BYTES,
    STRING_FIELD_BYTES,
    TAG_VALUE_BYTES,
    TAGS_PER_SERIES,
)
from strata_datamodel.metrics import FieldClass, Tags

_KEY: Final = re.compile(rb"(?:\\ |[^ \n])++")
_GAP: Final = re.compile(rb"[ \t]++")
_FIELD_NAME: Final = re.compile(rb"(?:\\[,= ]|[^,= \n])++=")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"(?=[, \t\r\n]|\Z)', re.DOTALL)
_BARE_VALUE: Final = re.compile(rb"[^, \t\r\n]++")
_REST: Final = re.compile(rb"[^\n]*+")
_MEASUREMENT: Final = re.compile(rb"(?:\\[, ]|[^, ])++")
_TAG: Final = re.compile(rb",((?:\\[,= ]|[^,= ])++)=((?:\\[,= ]|[^,= ])++)")
_ESCAPED_IN_MEASUREMENT: Final = re.compile(r"\\([, ])")
_ESCAPED_IN_KEY: Final = re.compile(r"\\([,= ])")
_ESCAPED_IN_STRING: Final = re.compile(r'\\(["\\])')

_BOOLEANS: Final = dict.fromkeys((b"t", b"T", b"true", b"True", b"TRUE"), 1.0) | dict.fromkeys(
    (b"f", b"F", b"false", b"False", b"FALSE"), 0.0
)
_NUMBER_CHARACTERS: Final = b"0123456789+-.eE"
_INT64_MAX: Final = (1 << 63) - 1
_UINT64_MAX: Final = (1 << 64) - 1
_DIGITS_MAX: Final = 20
_TIME: Final = "time"


class Fault(StrEnum):
    """Whether a line could not be read, or was read and lies outside what is kept."""

    MALFORMED = "malformed"
    TOO_OLD = "too_old"
    IN_FUTURE = "in_future"


class LineError(Exception):
    """The line cannot be taken; the text says why."""

    def __init__(self, reason: str, fault: Fault = Fault.MALFORMED) -> None:
        super().__init__(reason)
        self.fault = fault


class Sections(NamedTuple):
    """Raw bytes of a line: series key, (field name, value) pairs, timestamp or nothing."""

    key: bytes
    fields: list[tuple[bytes, bytes]]
    timestamp: bytes


def scan_line(body: bytes, start: int) -> tuple[int, Sections | LineError]:
    """The line that begins at `start` and the offset of the newline (or the end) that closes it.

    A newline inside a well-formed string belongs to the line. A quote that is never closed properly opens nothing,
    so a damaged line ends at its first newline and cannot swallow the good lines after it.
    """
    key = _KEY.match(body, start)
    if key is None:
        return _line_end(body, start), LineError("missing measurement")
    at = key.end()
    gap = _GAP.match(body, at)
    if gap is None:
        return _line_end(body, at), LineError("missing fields")
    at = gap.end()
    fields: list[tuple[bytes, bytes]] = []
    while True:
        name = _FIELD_NAME.match(body, at)
        if name is None:
            return _line_end(body, at), LineError("invalid field format" if fields else "missing fields")
        at = name.end()
        is_quoted = body[at : at + 1] == b'"'
        value = (_STRING if is_quoted else _BARE_VALUE).match(body, at)
        if value is None:
            return _line_end(body, at), LineError("unbalanced quotes" if is_quoted else "missing field value")
        at = value.end()
        fields.append((name[0][:-1], value[0]))
        if body[at : at + 1] != b",":
            break
        at += 1
    rest = _REST.match(body, at)
    end = rest.end() if rest else at
    tail = body[at:end]
    if tail.strip() and not tail.startswith((b" ", b"\t")):
        return end, LineError("invalid field format")
    return end, Sections(key[0], fields, tail.strip(b" \t\r"))


def split_fields(section: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of a section that has neither a quote nor a backslash."""
    fields = []
    for part in section.split(b","):
        name, equals, value = part.partition(b"=")
        if not name or not equals:
            raise LineError("invalid field format")
        if not value:
            raise LineError("missing field value")
        fields.append((name, value))
    return fields


def parse_key(key: bytes) -> tuple[str, Tags]:
    measurement = _MEASUREMENT.match(key)
    if measurement is None:
        raise LineError("missing measurement")
    name = _decoded(measurement[0], NAME_BYTES, "measurement")
    if b"\\" in measurement[0]:
        name = _ESCAPED_IN_MEASUREMENT.sub(r"\1", name)
    tags: dict[str, str] = {}
    at = measurement.end()
    while at < len(key):
        pair = _TAG.match(key, at)
        if pair is None:
            raise LineError("invalid tag format: each tag is key=value, neither of them empty")
        at = pair.end()
        tag = _unescaped(pair[1], NAME_BYTES, "tag key")
        if tag == _TIME:
            raise LineError(f'invalid tag key: input tag "time" on measurement "{name}" is invalid')
        if tag in tags:
            raise LineError(f'duplicate tag "{tag}"')
        tags[tag] = _unescaped(pair[2], TAG_VALUE_BYTES, f'value of tag "{tag}"')
        if len(tags) > TAGS_PER_SERIES:
            raise LineError(f"more than {TAGS_PER_SERIES} tags")
    return name, tuple(sorted(tags.items()))


def parse_field_name(raw: bytes, measurement: str) -> str:
    name = _unescaped(raw, NAME_BYTES, "field name")
    if name == _TIME:
        raise LineError(f'invalid field name: input field "time" on measurement "{measurement}" is invalid')
    return name


def parse_value(raw: bytes) -> tuple[FieldClass, float | str]:
    boolean = _BOOLEANS.get(raw)
    if boolean is not None:
        return FieldClass.BOOLEAN, boolean
    last = raw[-1:]
    if last == b'"' and raw[:1] == b'"':
        return FieldClass.STRING, _parse_string(raw)
    if last == b"i":
        return FieldClass.NUMBER, float(_parse_integer(raw, -_INT64_MAX - 1, _INT64_MAX))
    if last == b"u":
        return FieldClass.NUMBER, float(_parse_integer(raw, 0, _UINT64_MAX))
    return FieldClass.NUMBER, parse_float(raw)


def parse_float(raw: bytes) -> float:
    # float() also takes nan, infinity, underscores and spaces: none of them is a number here.
    if raw.translate(None, _NUMBER_CHARACTERS):
        raise LineError(f"invalid value {_shown(raw)}")
    try:
        number = float(raw)
    except ValueError:
        raise LineError(f"invalid number {_shown(raw)}") from None
    if math.isinf(number):
        raise LineError(f"number out of range {_shown(raw)}")
    return number


def parse_timestamp(raw: bytes) -> int:
    digits = raw[1:] if raw[:1] == b"-" else raw
    if not digits.isdigit():
        raise LineError(f"bad timestamp {_shown(raw)}")
    if len(digits) > _DIGITS_MAX:
        raise LineError(f"time outside range {_shown(raw)}")
    return int(raw)


def _parse_integer(raw: bytes, lowest: int, highest: int) -> int:
    number = raw[:-1]
    digits = number[1:] if lowest < 0 and number[:1] in (b"-", b"+") else number
    if not digits.isdigit():
        raise LineError(f"invalid value {_shown(raw)}")
    digits = digits.lstrip(b"0") or b"0"
    value = int(digits) if len(digits) <= _DIGITS_MAX else _UINT64_MAX + 1
    if number[:1] == b"-":
        value = -value
    if not lowest <= value <= highest:
        raise LineError(f"integer out of range {_shown(raw)}")
    return value


def _parse_string(raw: bytes) -> str:
    text = _decoded(raw[1:-1], STRING_FIELD_BYTES, "string value")
    return _ESCAPED_IN_STRING.sub(r"\1", text) if "\\" in text else text


def _unescaped(raw: bytes, limit: int, what: str) -> str:
    text = _decoded(raw, limit, what)
    return _ESCAPED_IN_KEY.sub(r"\1", text) if "\\" in text else text


def _decoded(raw: bytes, limit: int, what: str) -> str:
    if len(raw) > limit:
        raise LineError(f"{what} is longer than {limit} bytes")
    # PostgreSQL, which holds the series catalogue, has no text with a NUL in it.
    if b"\0" in raw:
        raise LineError(f"{what} holds a NUL character")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise LineError(f"{what} is not valid UTF-8") from None


def _line_end(body: bytes, at: int) -> int:
    end = body.find(b"\n", at)
    return len(body) if end < 0 else end


def _shown(raw: bytes) -> str:
    return repr(raw[:64].decode(errors="replace"))

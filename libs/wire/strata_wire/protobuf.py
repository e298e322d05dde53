"""The wire format of protocol buffers, a field at a time: the plain way."""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from strata_datamodel.errors import InvalidError, TooLargeError
from strata_datamodel.limits import PROTOBUF_FIELDS_PER_REQUEST

VARINT: Final = 0
FIXED64: Final = 1
LENGTH_DELIMITED: Final = 2
FIXED32: Final = 5

_BITS: Final = 64
_MASK: Final = (1 << _BITS) - 1
_SIGN: Final = 1 << (_BITS - 1)
_VARINT_BYTES: Final = 10
_TAG_MAX: Final = (1 << 32) - 1
_DOUBLE: Final = struct.Struct("<d")


class Field(NamedTuple):
    """`start` and `end` are those of its content; `bits` is the number that a varint or fixed field holds."""

    number: int
    wire_type: int
    bits: int
    start: int
    end: int


class Message:
    """A body and how many of its fields may still be read: what is read here costs far more than its bytes."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._fields_left = PROTOBUF_FIELDS_PER_REQUEST

    def field_at(self, at: int, end: int) -> Field:
        """Raises InvalidError (code `bad_protobuf`), and TooLargeError for one field too many."""
        self._fields_left -= 1
        if self._fields_left < 0:
            raise TooLargeError(
                f"the body has more than {PROTOBUF_FIELDS_PER_REQUEST} fields",
                code="protobuf_fields_per_request",
                hint="send smaller batches",
            )
        tag, at = varint_at(self.body, at, end)
        number, wire_type = tag >> 3, tag & 7
        if not number or tag > _TAG_MAX:
            raise malformed(f"there is no field {number}")
        if wire_type == VARINT:
            bits, stop = varint_at(self.body, at, end)
            return Field(number, wire_type, bits, at, stop)
        if wire_type == LENGTH_DELIMITED:
            length, at = varint_at(self.body, at, end)
            if length > end - at:
                raise malformed(f"field {number} is cut")
            return Field(number, wire_type, 0, at, at + length)
        if wire_type not in (FIXED64, FIXED32):
            raise malformed(f"field {number} has wire type {wire_type}")
        stop = at + (8 if wire_type == FIXED64 else 4)
        if stop > end:
            raise malformed(f"field {number} is cut")
        return Field(number, wire_type, int.from_bytes(self.body[at:stop], "little"), at, stop)

    def fields(self, start: int, end: int) -> Iterator[Field]:
        while start < end:
            field = self.field_at(start, end)
            yield field
            start = field.end

    def bytes_of(self, field: Field) -> bytes:
        self.expect(field, LENGTH_DELIMITED)
        return self.body[field.start : field.end]

    def integers(self, field: Field) -> Iterator[int]:
        """Varints that stand alone or are packed."""
        if field.wire_type == VARINT:
            yield field.bits
            return
        self.expect(field, LENGTH_DELIMITED)
        at = field.start
        while at < field.end:
            value, at = varint_at(self.body, at, field.end)
            yield value

    def doubles(self, field: Field) -> Iterator[float]:
        """Doubles that stand alone or are packed."""
        if field.wire_type == FIXED64:
            yield double_of(field.bits)
            return
        content = self.bytes_of(field)
        if len(content) % _DOUBLE.size:
            raise malformed(f"field {field.number} is cut")
        for (value,) in _DOUBLE.iter_unpack(content):
            yield value

    @staticmethod
    def expect(field: Field, wire_type: int) -> None:
        if field.wire_type != wire_type:
            raise malformed(f"field {field.number} has wire type {field.wire_type}")


def varint_at(body: bytes, at: int, end: int) -> tuple[int, int]:
    """Its 64 lowest bits and where it ends. Raises InvalidError."""
    value = shift = 0
    last = min(end, at + _VARINT_BYTES)
    while at < last:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK, at
        shift += 7
    raise malformed("a number does not end")


def signed(bits: int) -> int:
    return bits - (1 << _BITS) if bits & _SIGN else bits


def zigzag(bits: int) -> int:
    return (bits >> 1) ^ -(bits & 1)


def double_of(bits: int) -> float:
    number: float = _DOUBLE.unpack(bits.to_bytes(8, "little"))[0]
    return number


def malformed(what: str) -> InvalidError:
    return InvalidError(
        f"the body is no protobuf message of the format that it is sent as: {what}", code="bad_protobuf"
    )

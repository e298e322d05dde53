"""Fields of a protobuf message, one by one."""

import struct
from collections.abc import Iterator
from typing import Final

from strata_datamodel.errors import InvalidError, TooLargeError
from strata_datamodel.limits import OTLP_PACKED_BYTES

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

_TAG_BYTES: Final = 5
_VARINT_BYTES: Final = 10
_UINT32_MAX: Final = (1 << 32) - 1
_UINT64_MAX: Final = (1 << 64) - 1
_DOUBLE: Final = struct.Struct("<d")

Field = tuple[int, int, bytes]
"""Its number, its wire type, and its bytes: of a varint those of its number in eight bytes, little-endian."""


class WireError(InvalidError):
    """It is no message of protobuf. Nothing of it can be trusted."""

    code = "bad_protobuf"


def fields_of(message: bytes) -> Iterator[Field]:
    """Raises WireError. Groups, which nothing new has, are refused."""
    at, length = 0, len(message)
    while at < length:
        at, tag = _varint(message, at, _TAG_BYTES)
        number, kind = tag >> 3, tag & 7
        if number == 0 or tag > _UINT32_MAX:
            raise WireError("a field of the message has no number")
        if kind == VARINT:
            at, value = _varint(message, at, _VARINT_BYTES)
            yield number, kind, (value & _UINT64_MAX).to_bytes(8, "little")
            continue
        if kind == BYTES:
            at, size = _varint(message, at, _VARINT_BYTES)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise WireError(f"field {number} of the message has wire type {kind}")
        if size > length - at:
            raise WireError(f"field {number} of the message is cut")
        yield number, kind, message[at : at + size]
        at += size


def varints(packed: bytes) -> list[int]:
    """Raises WireError, TooLargeError."""
    numbers = []
    at = 0
    _check_packed(packed)
    while at < len(packed):
        at, value = _varint(packed, at, _VARINT_BYTES)
        numbers.append(value & _UINT64_MAX)
    return numbers


def fixed64s(packed: bytes) -> list[int]:
    """Raises WireError, TooLargeError."""
    return list(struct.unpack(f"<{_whole(packed)}Q", packed))


def doubles(packed: bytes) -> list[float]:
    """Raises WireError, TooLargeError."""
    return list(struct.unpack(f"<{_whole(packed)}d", packed))


def unsigned(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


def signed(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=True)


def zigzag(raw: bytes) -> int:
    """Of 32 bits."""
    value = unsigned(raw) & _UINT32_MAX
    return value >> 1 ^ -(value & 1)


def int32(raw: bytes) -> int:
    value = unsigned(raw) & _UINT32_MAX
    return value - (value >> 31 << 32)


def double(raw: bytes) -> float:
    return float(_DOUBLE.unpack(raw)[0])


def text(raw: bytes) -> str:
    """Raises WireError, TooLargeError."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise WireError("a text of the message is not valid UTF-8") from None


def _check_packed(packed: bytes) -> None:
    if len(packed) > OTLP_PACKED_BYTES:
        raise TooLargeError(f"a field has more than {OTLP_PACKED_BYTES} bytes of numbers", code="otlp_packed_bytes")


def _whole(packed: bytes) -> int:
    _check_packed(packed)
    if len(packed) % 8:
        raise WireError("packed numbers of the message are cut")
    return len(packed) // 8


def _varint(message: bytes, at: int, longest: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(message[at : at + longest]):
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return at + place + 1, value
    raise WireError("a number of the message is cut")

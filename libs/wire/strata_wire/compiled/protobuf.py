"""Fields of protobuf messages at addresses. Whatever is not plain is odd, and left to the plain reading."""

from typing import Final

from strata_wire.compiled.machine import byte_at, compiled

ODD: Final = -1

_MORE: Final = 128
_VARINT_BITS: Final = 63
_TAG_MAX: Final = 0xFFFFFFFF
_FIRST_TAG: Final = 8
_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5


@compiled
def varint_at(base: int, at: int, end: int) -> tuple[int, int]:
    """Past it, or ODD, and the number; one of 64 bits is odd."""
    value = 0
    shift = 0
    while at < end and shift < _VARINT_BITS:
        byte = byte_at(base + at)
        at += 1
        value |= (byte & 127) << shift
        if byte < _MORE:
            return at, value
        shift += 7
    return ODD, 0


@compiled
def span_at(base: int, at: int, end: int) -> tuple[int, int]:
    """Where the bytes begin whose length is here, and where they end; or ODD."""
    if at >= end:
        return ODD, ODD
    length = byte_at(base + at)
    at += 1
    if length >= _MORE:
        at, length = varint_at(base, at - 1, end)
    if at == ODD or length > end - at:
        return ODD, ODD
    return at, at + length


@compiled
def past_field(base: int, at: int, end: int) -> int:
    """Past the field that begins here, whatever it is; or ODD. So is a tag in more bytes than it needs: it may be that
    of a field which the caller knows by one."""
    is_long = at < end and byte_at(base + at) >= _MORE
    at, tag = varint_at(base, at, end)
    if at == ODD or tag < _FIRST_TAG or tag > _TAG_MAX or (is_long and tag < _MORE):
        return ODD
    kind = tag & 7
    if kind == _BYTES:
        return span_at(base, at, end)[1]
    if kind == _VARINT:
        return varint_at(base, at, end)[0]
    if kind not in (_FIXED64, _FIXED32):
        return ODD
    at += 8 if kind == _FIXED64 else 4
    return at if at <= end else ODD

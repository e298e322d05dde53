"""How one record lies in a segment: a fixed header, the envelope, the body."""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from isal import isal_zlib

MARKER_BYTES: Final = 8
_FIELDS: Final = struct.Struct(
    "<8sQqIII"
)  # marker, sequence, received_at_ns, envelope length, body length, payload CRC
_CHECK: Final = struct.Struct("<I")
HEADER_BYTES: Final = _FIELDS.size + _CHECK.size


@dataclass(frozen=True, slots=True)
class Header:
    sequence: int
    received_at_ns: int
    envelope_bytes: int
    body_bytes: int
    payload_crc: int

    @property
    def record_bytes(self) -> int:
        return HEADER_BYTES + self.envelope_bytes + self.body_bytes


def payload_crc(envelope: bytes | memoryview, body: bytes | memoryview) -> int:
    """zlib's CRC-32, computed many times faster."""
    return int(isal_zlib.crc32(body, isal_zlib.crc32(envelope)))


def encode_header(marker: bytes, header: Header) -> bytes:
    """The marker is random per spool and never leaves it, so that no body can carry a forged record for the
    resynchronisation after damage to find."""
    fields = _FIELDS.pack(
        marker,
        header.sequence,
        header.received_at_ns,
        header.envelope_bytes,
        header.body_bytes,
        header.payload_crc,
    )
    return fields + _CHECK.pack(zlib.crc32(fields))


def decode_header(marker: bytes, raw: bytes) -> Header | None:
    """None when these bytes are not a header of this spool. The header has its own CRC, apart from the payload's:
    a damaged body still tells where the next record begins."""
    if len(raw) < HEADER_BYTES or not raw.startswith(marker):
        return None
    if _CHECK.unpack_from(raw, _FIELDS.size)[0] != zlib.crc32(raw[: _FIELDS.size]):
        return None
    _, sequence, received_at_ns, envelope_bytes, body_bytes, crc = _FIELDS.unpack_from(raw)
    return Header(sequence, received_at_ns, envelope_bytes, body_bytes, crc)

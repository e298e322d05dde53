"""Bodies of Prometheus remote write, composed field by field, so that they can also be wrong."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cramjam import snappy

from factories.wire_envelopes import ORGANIZATION, RECEIVED_NS, line_envelope
from strata_datamodel.ids import OrganizationId
from strata_datamodel.spooling import Envelope, Signal, WireFormat

NOW_MS = RECEIVED_NS // 10**6
STALE = struct.unpack("<d", (0x7FF0000000000002).to_bytes(8, "little"))[0]
CONTENT_TYPE_1 = "application/x-protobuf"
CONTENT_TYPE_2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def zigzag(number: int) -> int:
    return (number << 1) ^ (number >> 63)


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def integer(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def double(number: int, value: float | bytes) -> bytes:
    return varint(number << 3 | 1) + (value if isinstance(value, bytes) else struct.pack("<d", value))


def packed(number: int, values: Iterable[int]) -> bytes:
    return message(number, b"".join(map(varint, values)))


def packed_doubles(number: int, values: Sequence[float]) -> bytes:
    return message(number, struct.pack(f"<{len(values)}d", *values))


def label(name: bytes | str, value: bytes | str) -> bytes:
    parts = (part.encode() if isinstance(part, str) else part for part in (name, value))
    return message(1, b"".join(message(number, part) for number, part in enumerate(parts, 1) if part))


def sample(value: float | bytes, time_ms: int, *, start_ms: int | None = None) -> bytes:
    content = b"" if value == 0 else double(1, value)
    content += integer(2, time_ms) if time_ms else b""
    return message(2, content + (b"" if start_ms is None else integer(3, start_ms)))


def span(offset: int, length: int) -> bytes:
    return integer(1, zigzag(offset)) + integer(2, length)


def series_1(labels: Mapping[str, str], *samples: bytes) -> bytes:
    return message(1, b"".join(label(*pair) for pair in labels.items()) + b"".join(samples))


@dataclass
class Request2:
    """A request of version 2 in the making."""

    symbols: list[bytes] = field(default_factory=lambda: [b""])
    series: list[bytes] = field(default_factory=list)

    def reference(self, text: str | bytes) -> int:
        raw = text.encode() if isinstance(text, str) else text
        if raw not in self.symbols:
            self.symbols.append(raw)
        return self.symbols.index(raw)

    def references(self, labels: Mapping[str, str]) -> bytes:
        return packed(1, [self.reference(part) for pair in labels.items() for part in pair])

    def add(self, labels: Mapping[str, str], *samples: bytes) -> "Request2":
        self.series.append(message(5, self.references(labels) + b"".join(samples)))
        return self

    @property
    def body(self) -> bytes:
        return b"".join(message(4, symbol) for symbol in self.symbols) + b"".join(self.series)


def compressed(body: bytes) -> bytes:
    return bytes(snappy.compress_raw(body))


def remote_write_envelope(
    version: int, received_at_ns: int = RECEIVED_NS, organization_id: OrganizationId = ORGANIZATION, **parameters: str
) -> Envelope:
    of_lines = line_envelope(received_at_ns, organization_id, **parameters)
    return Envelope(
        organization_id=organization_id,
        batch_id=of_lines.batch_id,
        received_at_ns=received_at_ns,
        signal=Signal.METRICS,
        wire_format=WireFormat.REMOTE_WRITE_1 if version == 1 else WireFormat.REMOTE_WRITE_2,
        parameters=parameters,
    )

"""A spool record that was read and parsed, on its way into a store."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar

import msgspec

from strata_datamodel.ids import OrganizationId
from strata_datamodel.logs import LogBatch, LogEvent
from strata_datamodel.metrics import PointBatch
from strata_datamodel.spooling import Envelope, SpoolPosition, SpoolRecord, WireFormat
from strata_wire.bulk import parse_bulk
from strata_wire.collectd import parse_collectd
from strata_wire.decompression import decompress
from strata_wire.json_push import parse_json_push
from strata_wire.known_series import KnownSeries
from strata_wire.line_protocol import parse_lines
from strata_wire.otlp_metrics import parse_otlp_json, parse_otlp_protobuf
from strata_wire.remote_write import parse_remote_write

B = TypeVar("B", bound=PointBatch | LogBatch)

_EVENT = msgspec.json.Decoder(LogEvent)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Arrival(Generic[B]):
    record: SpoolRecord
    batch: B
    size: int
    """Points or events."""

    was_handed: bool = False
    """Over from the edge, as it left it."""

    @property
    def sequence(self) -> int:
        return self.record.position.sequence

    @property
    def received_at(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.record.envelope.received_at_ns // 1_000)


PointsParser = Callable[[bytes, Envelope, KnownSeries | None], PointBatch]
"""Pure, whatever is known."""

_POINTS_OF: Final[Mapping[WireFormat, PointsParser]] = {
    WireFormat.INFLUX_LINE: lambda body, envelope, known: parse_lines(body, envelope, known=known).batch,
    WireFormat.REMOTE_WRITE_1: lambda body, envelope, known: parse_remote_write(body, envelope, known=known).batch,
    WireFormat.REMOTE_WRITE_2: lambda body, envelope, known: parse_remote_write(body, envelope, known=known).batch,
    WireFormat.OTLP_METRICS_PROTOBUF: lambda body, envelope, known: (
        parse_otlp_protobuf(body, envelope, known=known).batch
    ),
    WireFormat.OTLP_METRICS_JSON: lambda body, envelope, known: parse_otlp_json(body, envelope, known=known).batch,
    WireFormat.JSON_METRICS: lambda body, envelope, _: parse_json_push(body, envelope).batch,
    WireFormat.COLLECTD_JSON: lambda body, envelope, _: parse_collectd(body, envelope).batch,
}
"""A format of metrics is one line here, beside its route."""


def points_of(record: SpoolRecord, known: KnownSeries | None = None) -> PointBatch:
    """Pure: the same record gives the same points."""
    envelope = record.envelope
    return _POINTS_OF[envelope.wire_format](decompress(record.body, envelope.encoding), envelope, known)


def events_of(record: SpoolRecord) -> LogBatch:
    """Pure: the same record gives the same events."""
    plain = decompress(record.body, record.envelope.encoding)
    if record.envelope.wire_format is WireFormat.LOG_EVENTS:
        events = tuple(_EVENT.decode(line) for line in plain.splitlines())
        return LogBatch(record.envelope.organization_id, events)
    return parse_bulk(plain, record.envelope).batch


def by_organization(arrivals: Sequence[Arrival[B]]) -> dict[OrganizationId, list[Arrival[B]]]:
    groups: dict[OrganizationId, list[Arrival[B]]] = {}
    for arrival in arrivals:
        groups.setdefault(arrival.record.envelope.organization_id, []).append(arrival)
    return groups


def groups_held(
    arrivals: Sequence[Arrival[B]], committed: int
) -> Iterator[tuple[list[Arrival[B]], SpoolPosition | None]]:
    """What the store holds already, an organization at a time, under a position that says so."""
    held = [arrival for arrival in arrivals if arrival.sequence <= committed and arrival.size]
    for group in by_organization(held).values():
        yield group, group[-1].record.position


def groups_to_write(
    arrivals: Sequence[Arrival[B]], committed: int
) -> Iterator[tuple[list[Arrival[B]], SpoolPosition | None]]:
    """One group an organization. Only the last carries a position, that of the newest record: a store that keeps it
    must not claim to hold records of a group still to come."""
    fresh = [arrival for arrival in arrivals if arrival.sequence > committed and arrival.size]
    groups = list(by_organization(fresh).values())
    for place, group in enumerate(groups, start=1):
        yield group, fresh[-1].record.position if place == len(groups) else None

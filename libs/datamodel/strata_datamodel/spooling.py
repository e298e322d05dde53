"""What the ingest spool keeps: an accepted request with everything needed to replay it to the same bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from strata_datamodel.ids import BatchId, OrganizationId


class Signal(StrEnum):
    METRICS = "metrics"
    LOGS = "logs"


class WireFormat(StrEnum):
    INFLUX_LINE = "influx_line"
    REMOTE_WRITE_1 = "remote_write_1"
    REMOTE_WRITE_2 = "remote_write_2"
    OTLP_METRICS_PROTOBUF = "otlp_metrics_protobuf"
    OTLP_METRICS_JSON = "otlp_metrics_json"
    JSON_METRICS = "json_metrics"
    COLLECTD_JSON = "collectd_json"
    ES_BULK = "es_bulk"
    LOG_EVENTS = "log_events_json"
    """Our own: events that were parsed before, a JSON document a line. Comes from dead letters only."""


@dataclass(frozen=True, slots=True)
class SpoolPosition:
    """Record `sequence` of spool `spool_id`. Sequences rise, with gaps only where a crash or damage took records,
    and are never used twice in a spool."""

    spool_id: UUID
    sequence: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """Frozen when the request was accepted. Parsing is a pure function of this and the body."""

    organization_id: OrganizationId
    batch_id: BatchId
    received_at_ns: int
    signal: Signal
    wire_format: WireFormat
    parameters: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "identity"  # how the stored body is compressed: identity, gzip or snappy


@dataclass(frozen=True, slots=True)
class SpoolRecord:
    position: SpoolPosition
    envelope: Envelope
    body: bytes


@dataclass(frozen=True, slots=True)
class SpoolDepth:
    """What is not acknowledged yet, and how much there may be."""

    records: int
    size_bytes: int
    capacity_bytes: int
    oldest_received_at_ns: int | None

"""Envelopes of accepted requests, told apart by a number."""

from collections.abc import Mapping
from uuid import UUID

from strata_datamodel.ids import BatchId, OrganizationId
from strata_datamodel.spooling import Envelope, Signal, WireFormat

ORGANIZATION = OrganizationId(UUID("01900000-0000-7000-8000-00000000000a"))
OTHER_ORGANIZATION = OrganizationId(UUID("01900000-0000-7000-8000-00000000000b"))
_START_NS = 1_772_366_400_000_000_000


def envelope(
    number: int = 0, *, organization_id: OrganizationId = ORGANIZATION, parameters: Mapping[str, str] | None = None
) -> Envelope:
    return Envelope(
        organization_id=organization_id,
        batch_id=BatchId(UUID(int=(1_772_366_400_000 << 80) | (7 << 76) | (2 << 62) | number)),
        received_at_ns=_START_NS + number,
        signal=Signal.METRICS,
        wire_format=WireFormat.INFLUX_LINE,
        parameters=parameters or {},
    )

"""Envelopes for parser tests."""

from uuid import UUID

from strata_datamodel.ids import BatchId, OrganizationId
from strata_datamodel.spooling import Envelope, Signal, WireFormat

ORGANIZATION = OrganizationId(UUID("01890a5d-ac96-774b-bcce-b302099a8057"))
RECEIVED_NS = 1_800_000_000_123_456_789


def line_envelope(
    received_at_ns: int = RECEIVED_NS, organization_id: OrganizationId = ORGANIZATION, **parameters: str
) -> Envelope:
    return Envelope(
        organization_id=organization_id,
        batch_id=BatchId(UUID("01890a5d-ac96-774b-bcce-b302099a8058")),
        received_at_ns=received_at_ns,
        signal=Signal.METRICS,
        wire_format=WireFormat.INFLUX_LINE,
        parameters=parameters,
    )


def bulk_envelope(received_at_ns: int = RECEIVED_NS, batch: int = 1, **parameters: str) -> Envelope:
    return Envelope(
        organization_id=ORGANIZATION,
        batch_id=BatchId(UUID(int=batch)),
        received_at_ns=received_at_ns,
        signal=Signal.LOGS,
        wire_format=WireFormat.ES_BULK,
        parameters=parameters,
    )

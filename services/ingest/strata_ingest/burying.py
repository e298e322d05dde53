"""What no store will ever take goes to the dead letters, with its reason and in a form that can be replayed."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote
from uuid import UUID

import msgspec

from strata_core.dead_letters.commands import keep
from strata_core.dead_letters.queries import batches_kept
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import DEAD_LETTER_BYTES
from strata_datamodel.logs import LogBatch
from strata_datamodel.metrics import PointBatch, Rejection
from strata_datamodel.spooling import Envelope, Signal, SpoolRecord, WireFormat
from strata_wire.line_writing import lines_of

LINES: Final = "influx_line;precision=ns"
EVENTS: Final = WireFormat.LOG_EVENTS.value
_LETTERS_PER_REASON: Final = 100


def bury_points(
    units: UnitsOfWork, store: str, batch: PointBatch, envelope: Envelope, rejected: Sequence[Rejection]
) -> None:
    by_reason = _rows_by_reason(rejected)
    contents = {reason: lines_of(batch, rows) for reason, rows in by_reason.items()}
    _keep_all(units, Signal.METRICS, store, batch.organization_id, envelope, contents, LINES)


def bury_events(
    units: UnitsOfWork, store: str, batch: LogBatch, envelope: Envelope, rejected: Sequence[Rejection]
) -> None:
    by_reason = _rows_by_reason(rejected)
    contents = {
        reason: [msgspec.json.encode(batch.events[row]) + b"\n" for row in rows] for reason, rows in by_reason.items()
    }
    _keep_all(units, Signal.LOGS, store, batch.organization_id, envelope, contents, EVENTS)


def buried_batches(units: UnitsOfWork, organization_id: OrganizationId, batch_ids: Sequence[UUID]) -> set[UUID]:
    """Those of which something is in the dead letters: what is refused of a batch gets there in one transaction."""
    with units.organization(organization_id) as uow:
        return batches_kept(uow, batch_ids)


def bury_record(units: UnitsOfWork, store: str, record: SpoolRecord, reason: str) -> None:
    """The body as it was sent. The format says all that its parser needs besides."""
    envelope = record.envelope
    words = [
        envelope.wire_format.value,
        f"encoding={envelope.encoding}",
        f"received_at_ns={envelope.received_at_ns}",
        # Senders choose them: none may pass for another word.
        *(f"{name}={quote(value, safe='')}" for name, value in sorted(envelope.parameters.items())),
    ]
    parts = [
        record.body[start : start + DEAD_LETTER_BYTES] for start in range(0, len(record.body), DEAD_LETTER_BYTES)
    ] or [b""]
    with units.organization(envelope.organization_id) as uow:
        for number, part in enumerate(parts, start=1):
            place = [f"part={number}/{len(parts)}"] if len(parts) > 1 else []
            keep(
                uow,
                signal=envelope.signal.value,
                store=store,
                reason=reason,
                item_count=1,
                content=part,
                content_format=";".join(words + place),
                batch_id=envelope.batch_id,
            )


def _rows_by_reason(rejected: Sequence[Rejection]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for rejection in rejected:
        reason = rejection.reason if rejection.reason in rows or len(rows) < _LETTERS_PER_REASON else "other reasons"
        rows.setdefault(reason, []).append(rejection.index)
    return rows


def _keep_all(
    units: UnitsOfWork,
    signal: Signal,
    store: str,
    organization_id: OrganizationId,
    envelope: Envelope,
    contents: dict[str, list[bytes]],
    content_format: str,
) -> None:
    with units.organization(organization_id) as uow:
        for reason, items in contents.items():
            for part in _parts(items):
                keep(
                    uow,
                    signal=signal.value,
                    store=store,
                    reason=reason,
                    item_count=len(part),
                    content=b"".join(part),
                    content_format=content_format,
                    batch_id=envelope.batch_id,
                )


def _parts(items: Sequence[bytes]) -> list[list[bytes]]:
    parts: list[list[bytes]] = [[]]
    size = 0
    for item in items:
        if parts[-1] and size + len(item) > DEAD_LETTER_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(item)
        size += len(item)
    return parts

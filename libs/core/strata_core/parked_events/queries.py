"""Reads of parked events."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import literal_column, select

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.listing.pages import newest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import NotFoundError
from strata_datamodel.ids import OutboxId
from strata_datamodel.tables.outbox import outbox


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """`reason` is what its last attempt failed of. Without its payload, which readers of events may not be shown."""

    id: OutboxId
    kind: str
    entity_kind: str
    entity_id: UUID
    state: str
    attempts: int
    reason: str | None
    created_at: datetime


_COLUMNS: Final = tuple(outbox.c[name] for name in ParkedEvent.__slots__ if name != "reason")
_SHOWN: Final = (*_COLUMNS, outbox.c.last_error.label("reason"))


def parked_events(ctx: Context, uow: UnitOfWork, *, limit: int, after: OutboxId | None = None) -> list[ParkedEvent]:
    """Newest first."""
    require(ctx, "dead_letters:read")
    parked = outbox.c.state == literal_column("'parked'")  # as the index has it
    wanted = select(*_SHOWN).where(outbox.c.organization_id == ctx.organization_id, parked)
    return [
        _event_from(row) for row in uow.execute(newest_first(wanted, outbox.c.id, before=after, limit=limit)).mappings()
    ]


def event_of(ctx: Context, uow: UnitOfWork, event_id: OutboxId) -> ParkedEvent:
    """In whatever state it is."""
    require(ctx, "dead_letters:read")
    wanted = select(*_SHOWN).where(outbox.c.organization_id == ctx.organization_id, outbox.c.id == event_id)
    row = uow.execute(wanted).mappings().one_or_none()
    if row is None:
        raise NotFoundError("no such event")
    return _event_from(row)


def _event_from(row: Mapping[Any, Any]) -> ParkedEvent:
    return ParkedEvent(**{name: row[name] for name in ParkedEvent.__slots__})

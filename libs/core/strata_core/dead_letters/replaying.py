"""The ingest's side of a replay: takes up letters that people want replayed, and says what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, literal_column, or_, select, tuple_, update

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import DeadLetterId, OrganizationId
from strata_datamodel.tables.outbox import dead_letters

HELD: Final = timedelta(minutes=1)
"""Whoever took letters up and did not come back by then is taken for dead."""


@dataclass(frozen=True, slots=True)
class Replaying:
    """Content and format as they were kept."""

    id: DeadLetterId
    organization_id: OrganizationId
    batch_id: UUID | None
    signal: str
    content_format: str
    content: bytes = field(repr=False)


def take_replaying(uow: UnitOfWork, *, limit: int) -> list[Replaying]:
    """Oldest first, in a system unit; nobody else gets them for a while. Letters of one batch come together."""
    now = uow.now()
    d = dead_letters.c
    free = and_(d.state == literal_column("'replaying'"), or_(d.replay_until.is_(None), d.replay_until <= now))
    first = select(d.organization_id, d.id, d.batch_id).where(free).order_by(d.id).limit(limit).cte("first")
    chosen = (
        select(d.organization_id, d.id)
        .where(free)
        .where(
            or_(
                tuple_(d.organization_id, d.id).in_(select(first.c.organization_id, first.c.id)),
                tuple_(d.organization_id, d.batch_id).in_(select(first.c.organization_id, first.c.batch_id)),
            )
        )
        .with_for_update(skip_locked=True)
        .cte("chosen")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    rows = uow.execute(
        update(dead_letters)
        .where(tuple_(d.organization_id, d.id).in_(select(chosen.c.organization_id, chosen.c.id)))
        .values(replay_until=now + HELD)
        .returning(d.id, d.organization_id, d.batch_id, d.signal, d.content_format, d.content)
    )
    taken = [
        Replaying(
            DeadLetterId(row.id),
            OrganizationId(row.organization_id),
            row.batch_id,
            row.signal,
            row.content_format,
            bytes(row.content),
        )
        for row in rows
    ]
    return sorted(taken, key=lambda letter: letter.id)


def note_replayed(uow: UnitOfWork, letters: Sequence[DeadLetterId]) -> None:
    """They are in the spool. In a unit of their organization."""
    _settle(uow, letters, state="replayed", resolved_at=uow.now(), replay_until=None)


def put_back(uow: UnitOfWork, letters: Sequence[DeadLetterId], reason: str) -> None:
    """They cannot be replayed, and are open again. In a unit of their organization."""
    _settle(uow, letters, state="open", reason=reason, replay_until=None)


def _settle(uow: UnitOfWork, letters: Sequence[DeadLetterId], **values: object) -> None:
    mine = (dead_letters.c.organization_id == uow.organization_id, dead_letters.c.id.in_(letters))
    uow.execute(update(dead_letters).where(*mine, dead_letters.c.state == "replaying").values(**values))

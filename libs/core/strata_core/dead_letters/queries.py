"""Reads of dead letters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.listing.pages import as_asked, newest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import NotFoundError
from strata_datamodel.ids import DeadLetterId
from strata_datamodel.tables.outbox import dead_letters


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Without its content, which may be large: ask `content` for that."""

    id: DeadLetterId
    signal: str
    batch_id: UUID | None
    store: str
    reason: str
    item_count: int
    content_format: str
    content_bytes: int
    state: str
    created_at: datetime
    resolved_at: datetime | None


_PLAIN: Final = tuple(dead_letters.c[name] for name in DeadLetter.__slots__ if name != "content_bytes")
_SHOWN: Final = (*_PLAIN, func.octet_length(dead_letters.c.content).label("content_bytes"))


def dead_letter_page(
    ctx: Context,
    uow: UnitOfWork,
    *,
    limit: int,
    after: DeadLetterId | None = None,
    state: str | None = None,
    signal: str | None = None,
) -> list[DeadLetter]:
    """Newest first."""
    require(ctx, "dead_letters:read")
    asked = as_asked(dead_letters, state=state, signal=signal)
    wanted = select(*_SHOWN).where(dead_letters.c.organization_id == ctx.organization_id, *asked)
    rows = uow.execute(newest_first(wanted, dead_letters.c.id, before=after, limit=limit)).mappings()
    return [letter_from(row) for row in rows]


def dead_letter(ctx: Context, uow: UnitOfWork, letter_id: DeadLetterId) -> DeadLetter:
    require(ctx, "dead_letters:read")
    wanted = select(*_SHOWN).where(
        dead_letters.c.organization_id == ctx.organization_id, dead_letters.c.id == letter_id
    )
    row = uow.execute(wanted).mappings().one_or_none()
    if row is None:
        raise NotFoundError("no such dead letter")
    return letter_from(row)


def content(ctx: Context, uow: UnitOfWork, letter_id: DeadLetterId) -> bytes:
    require(ctx, "dead_letters:read")
    wanted = select(dead_letters.c.content).where(
        dead_letters.c.organization_id == ctx.organization_id, dead_letters.c.id == letter_id
    )
    found = uow.execute(wanted).scalar_one_or_none()
    if found is None:
        raise NotFoundError("no such dead letter")
    return bytes(found)


def letter_from(row: Mapping[Any, Any]) -> DeadLetter:
    return DeadLetter(**{name: row[name] for name in DeadLetter.__slots__})


def batches_kept(uow: UnitOfWork, batch_ids: Sequence[UUID]) -> set[UUID]:
    """Those of them that have a letter, whatever became of it. For the ingest, which asks for nobody."""
    wanted = select(dead_letters.c.batch_id).where(
        dead_letters.c.organization_id == uow.organization_id, dead_letters.c.batch_id.in_(batch_ids)
    )
    return set(uow.execute(wanted).scalars())

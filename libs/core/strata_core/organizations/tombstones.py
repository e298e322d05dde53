"""Tombstones: an organization that has one is closed for good, in every process, and nothing of it comes back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Row, case, insert, literal, select, update

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import OrganizationId, SagaId
from strata_datamodel.tables.erasing import tombstones

CLEAN_LOOKS: Final = 3
LOOK_EVERY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """`deleted_at` is None while its deletion is under way."""

    organization_id: OrganizationId
    slug: str
    stood_at: datetime
    deleted_at: datetime | None
    saga_id: SagaId


def put_up(uow: UnitOfWork, slug: str, saga_id: SagaId) -> None:
    uow.execute(
        insert(tombstones),
        {"organization_id": uow.organization_id, "slug": slug, "stood_at": uow.now(), "saga_id": saga_id},
    )


def note_deleted(uow: UnitOfWork) -> None:
    here = tombstones.c.organization_id == uow.organization_id
    uow.execute(update(tombstones).where(here).values(deleted_at=uow.now()))


def tombstone(uow: UnitOfWork) -> Tombstone | None:
    """Of the unit's organization."""
    row = uow.execute(select(tombstones).where(tombstones.c.organization_id == uow.organization_id)).one_or_none()
    return None if row is None else _tombstone_from(row)


def tombstones_since(uow: UnitOfWork, since: datetime | None) -> Sequence[Tombstone]:
    """In a system-wide unit: those of which something is to be told since that instant, all for None; oldest first."""
    wanted = select(tombstones).order_by(tombstones.c.stood_at)
    if since is not None:
        wanted = wanted.where((tombstones.c.stood_at >= since) | (tombstones.c.deleted_at >= since))
    return [_tombstone_from(row) for row in uow.execute(wanted)]


def tombstones_to_look_at(uow: UnitOfWork, deleted_since: datetime) -> Sequence[Tombstone]:
    """In a system-wide unit: those whose deletion ended since that instant, and whose next look is due."""
    t = tombstones.c
    due = select(tombstones).where(t.deleted_at >= deleted_since, t.look_due_at <= uow.now()).order_by(t.look_due_at)
    return [_tombstone_from(row) for row in uow.execute(due)]


def note_look(uow: UnitOfWork, *, is_clean: bool) -> None:
    """At what is left of the unit's organization. After a few that found nothing it is looked at once a day, until one
    finds something."""
    here = tombstones.c.organization_id == uow.organization_id
    looks = tombstones.c.clean_looks + 1 if is_clean else literal(0)
    rests_until = case((looks >= CLEAN_LOOKS, uow.now() + LOOK_EVERY), else_=uow.now())
    uow.execute(update(tombstones).where(here).values(clean_looks=looks, look_due_at=rests_until))


def _tombstone_from(row: Row[tuple[object, ...]]) -> Tombstone:
    return Tombstone(OrganizationId(row.organization_id), row.slug, row.stood_at, row.deleted_at, SagaId(row.saga_id))

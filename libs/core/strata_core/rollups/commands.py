"""Moving watermarks, and marking what came late. A worker calls the store between them, never within: what is written
here says only what is true already, or for letting go, what may be true from now on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Update, and_, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from strata_core.instants import instant_of, ns_of
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.rollups.queries import CELL
from strata_core.rollups.rules import GRACE_NS, SETTLED_AFTER
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.organizations import organizations
from strata_datamodel.tables.tiers import dirty_windows, tier_retentions, tier_watermarks
from strata_datamodel.tiers import ROLLED_UP, Tier

_SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class DirtyHour:
    organization_id: OrganizationId
    hour_ns: int
    mark: UUID


@dataclass(frozen=True, slots=True)
class Expiry:
    organization_id: OrganizationId
    kept_s: int
    gone_before_ns: int | None


def begin_watermarks(uow: UnitOfWork, through_ns: int) -> None:
    """Idempotent: watermarks that are there stay."""
    rows = [
        {"cell": CELL, "tier": tier.value, "through": instant_of(through_ns) if tier in ROLLED_UP else None}
        for tier in Tier
    ]
    uow.execute(insert(tier_watermarks).values(rows).on_conflict_do_nothing())


def advance(uow: UnitOfWork, tier: Tier, from_ns: int, to_ns: int) -> bool:
    """After the store's call returned. False when somebody else moved it meanwhile."""
    moved = _of_tier(tier).where(tier_watermarks.c.through == instant_of(from_ns))
    return bool(uow.execute(moved.values(through=instant_of(to_ns), updated_at=uow.now())).rowcount)


def rewind(uow: UnitOfWork, through: Mapping[Tier, int]) -> None:
    """Tiers that are not as far already stay where they are."""
    for tier, at_ns in through.items():
        moved = _of_tier(tier).where(tier_watermarks.c.through > instant_of(at_ns))
        uow.execute(moved.values(through=instant_of(at_ns), updated_at=uow.now()))


def mark_dirty(uow: UnitOfWork, hours: Iterable[int]) -> None:
    """Of the organization that the unit is bound to. In order, so that two who mark the same hours never wait for each
    other in a circle."""
    rows = [{"organization_id": uow.organization_id, "hour": instant_of(hour)} for hour in sorted(hours)]
    if rows:
        marked = insert(dirty_windows).values(rows)
        uow.execute(
            marked.on_conflict_do_update(index_elements=["organization_id", "hour"], set_={"mark": func.app.uuid_v7()})
        )


def oldest_dirty(uow: UnitOfWork, passed_over: Sequence[tuple[OrganizationId, int]], limit: int) -> list[DirtyHour]:
    """The hour that is dirty the longest, of all organizations of which it has been for a while. In a system unit."""
    key = tuple_(dirty_windows.c.organization_id, dirty_windows.c.hour)
    due = and_(
        dirty_windows.c.marked_at <= uow.now() - SETTLED_AFTER,
        key.not_in([(organization_id, instant_of(hour)) for organization_id, hour in passed_over]),
    )
    oldest = select(dirty_windows.c.hour).where(due).order_by(dirty_windows.c.marked_at).limit(1).scalar_subquery()
    columns = (dirty_windows.c.organization_id, dirty_windows.c.hour, dirty_windows.c.mark)
    rows = uow.execute(select(*columns).where(due, dirty_windows.c.hour == oldest).limit(limit))
    return [DirtyHour(OrganizationId(row.organization_id), ns_of(row.hour), row.mark) for row in rows]


def settle_dirty(uow: UnitOfWork, made: Sequence[DirtyHour]) -> None:
    """Clean, but for hours that were marked again since they were taken: those go behind the others. In a system
    unit."""
    for each in made:
        here = and_(
            dirty_windows.c.organization_id == each.organization_id, dirty_windows.c.hour == instant_of(each.hour_ns)
        )
        cleaned = uow.execute(delete(dirty_windows).where(here, dirty_windows.c.mark == each.mark))
        if not cleaned.rowcount:
            uow.execute(update(dirty_windows).where(here).values(marked_at=uow.now()))


def note_letting_go(uow: UnitOfWork, gone_before: Mapping[Tier, int], kept_ns: Mapping[Tier, int]) -> None:
    """Before the store is told to keep this long, so that nothing is made from what may be gone: until it was told a
    longer time, it goes on with the shorter."""
    for tier, before_ns in gone_before.items():
        before = func.greatest(tier_watermarks.c.gone_before, instant_of(before_ns))
        kept_s = func.least(tier_watermarks.c.kept_s, kept_ns[tier] // _SECOND_NS)
        uow.execute(_of_tier(tier).values(gone_before=before, kept_s=kept_s, updated_at=uow.now()))


def note_kept(uow: UnitOfWork, kept_ns: Mapping[Tier, int]) -> None:
    """After the store was told."""
    for tier, each_ns in kept_ns.items():
        uow.execute(_of_tier(tier).values(kept_s=each_ns // _SECOND_NS))


def expiries_due(uow: UnitOfWork, tier: Tier, *, default_s: int, longest_s: int, limit: int) -> list[Expiry]:
    """Organizations that keep less of a tier than the store does, whose last expiry is a quarter of that time ago, or a
    day. In a system unit."""
    own = tier_retentions
    kept = func.coalesce(own.c.kept_s, default_s)
    overdue = kept + func.least(86_400, kept / 4) + GRACE_NS // _SECOND_NS
    late = own.c.gone_before < uow.now() - func.make_interval(0, 0, 0, 0, 0, 0, overdue)
    statement = (
        select(organizations.c.id, kept.label("kept_s"), own.c.gone_before)
        .outerjoin(own, and_(own.c.organization_id == organizations.c.id, own.c.tier == tier.value))
        .where(kept < longest_s, or_(own.c.gone_before.is_(None), late))
        .order_by(own.c.gone_before.nulls_first())
        .limit(limit)
    )
    return [
        Expiry(OrganizationId(row.id), row.kept_s, None if row.gone_before is None else ns_of(row.gone_before))
        for row in uow.execute(statement)
    ]


def note_expired(uow: UnitOfWork, tier: Tier, before_ns: int) -> None:
    """Of the organization that the unit is bound to; before the store is told."""
    row = {"organization_id": uow.organization_id, "tier": tier.value, "gone_before": instant_of(before_ns)}
    noted = insert(tier_retentions).values(row)
    before = func.greatest(tier_retentions.c.gone_before, noted.excluded.gone_before)
    uow.execute(noted.on_conflict_do_update(index_elements=["organization_id", "tier"], set_={"gone_before": before}))


def _of_tier(tier: Tier) -> Update:
    return update(tier_watermarks).where(tier_watermarks.c.cell == CELL, tier_watermarks.c.tier == tier.value)

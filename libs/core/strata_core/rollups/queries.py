"""How far tiers are, where they are dirty, and what of them an organization has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select

from strata_core.instants import instant_of, ns_of
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.rollups.rules import HOUR_NS, LEASE, SKEW_NS, hour_of
from strata_core.tier_retentions.rules import DEFAULT_S
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.tiers import dirty_windows, tier_retentions, tier_watermarks
from strata_datamodel.tables.working import leases
from strata_datamodel.tiers import ROLLED_UP, Tier

CELL: Final = "default"
LEASE_PREFIX: Final = "tiers."
"""Of the leases under which tiers change: with the cell's name."""
DIRTY_HOURS_TOLD: Final = 5_000
"""Beyond those a query believes the tiers."""
_NEVER: Final = -(2**63) + HOUR_NS
_SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Watermark:
    """`through` is None for raw points; `kept_s` for a tier that the store was never told to let go of."""

    through_ns: int | None
    gone_before_ns: int | None
    kept_s: int | None

    def whole_from(self, now_ns: int) -> int:
        """Nothing since then is gone: a store goes on letting go by itself of what it was told to, by its own clock."""
        by_itself = _NEVER if self.kept_s is None else now_ns - self.kept_s * _SECOND_NS + SKEW_NS
        return max(by_itself, _NEVER if self.gone_before_ns is None else self.gone_before_ns)


@dataclass(frozen=True, slots=True)
class TierState:
    """Of one organization: each tier holds all there is to know from `kept_from_ns` to `through_ns`, but for dirty
    hours, which are told by their beginnings. A tier that was never rolled up is in neither."""

    kept_from_ns: Mapping[Tier, int]
    through_ns: Mapping[Tier, int]
    dirty_hours: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RollupFigures:
    through: Mapping[Tier, datetime]
    dirty: int
    oldest_marked_at: datetime | None


def watermarks(uow: UnitOfWork) -> Mapping[Tier, Watermark]:
    statement = select(
        tier_watermarks.c.tier, tier_watermarks.c.through, tier_watermarks.c.gone_before, tier_watermarks.c.kept_s
    ).where(tier_watermarks.c.cell == CELL)
    return {
        Tier(row.tier): Watermark(_ns(row.through), _ns(row.gone_before), row.kept_s) for row in uow.execute(statement)
    }


def through_of(marks: Mapping[Tier, Watermark]) -> Mapping[Tier, int]:
    return {tier: mark.through_ns for tier, mark in marks.items() if mark.through_ns is not None}


def tier_state(uow: UnitOfWork, now_ns: int) -> TierState:
    """Of the organization that the unit is bound to."""
    marks, own = watermarks(uow), _own_rows(uow)
    kept_from = {}
    for tier in Tier:
        kept_s, gone_before_ns = own.get(tier, (None, None))
        since = hour_of(now_ns - (DEFAULT_S[tier] if kept_s is None else kept_s) * _SECOND_NS)
        whole = marks[tier].whole_from(now_ns) if tier in marks else since
        kept_from[tier] = max(since, whole, since if gone_before_ns is None else gone_before_ns)
    hours = (
        select(dirty_windows.c.hour)
        .where(dirty_windows.c.organization_id == uow.organization_id)
        .order_by(dirty_windows.c.hour.desc())
        .limit(DIRTY_HOURS_TOLD)
    )
    dirty = tuple(sorted(ns_of(hour) for hour in uow.execute(hours).scalars()))
    return TierState(kept_from, through_of(marks), dirty)


def whole_from(
    uow: UnitOfWork, organization_ids: list[OrganizationId], marks: Mapping[Tier, Watermark], now_ns: int
) -> Mapping[OrganizationId, Mapping[Tier, int]]:
    """From when each organization's tiers hold all they ever held. In a system unit."""
    statement = select(tier_retentions.c.organization_id, tier_retentions.c.tier, tier_retentions.c.gone_before)
    own = {
        (row.organization_id, Tier(row.tier)): ns_of(row.gone_before)
        for row in uow.execute(
            statement.where(
                tier_retentions.c.organization_id.in_(organization_ids), tier_retentions.c.gone_before.is_not(None)
            )
        )
    }
    shared = {tier: mark.whole_from(now_ns) for tier, mark in marks.items()}
    return {
        organization_id: {tier: max(since, own.get((organization_id, tier), since)) for tier, since in shared.items()}
        for organization_id in organization_ids
    }


def may_roll_since(uow: UnitOfWork, since: datetime) -> bool:
    """Whether a call of a store that changes tiers, begun before then, may be under way. Leases are renewed between two
    calls, and outlast each."""
    held = (
        leases.c.name.startswith(LEASE_PREFIX, autoescape=True),
        leases.c.lease_until > uow.now(),
        leases.c.lease_until <= since + LEASE,
    )
    return bool(uow.execute(select(select(leases.c.name).where(*held).exists())).scalar_one())


def oldest_dirty_hour(uow: UnitOfWork) -> int | None:
    """In a system unit."""
    return _ns(uow.execute(select(func.min(dirty_windows.c.hour))).scalar_one())


def hours_left(
    uow: UnitOfWork, organization_ids: Sequence[OrganizationId], first_ns: int, last_ns: int, asked_at: datetime
) -> int:
    """Of hours that were dirty by then, those that were not made since. In a system unit."""
    statement = select(func.count()).where(
        dirty_windows.c.organization_id.in_(organization_ids),
        dirty_windows.c.hour.between(instant_of(first_ns), instant_of(last_ns)),
        dirty_windows.c.marked_at <= asked_at,
    )
    return int(uow.execute(statement).scalar_one())


def rollup_figures(uow: UnitOfWork) -> RollupFigures:
    """In a system unit."""
    through = {
        Tier(row.tier): row.through
        for row in uow.execute(select(tier_watermarks.c.tier, tier_watermarks.c.through))
        if row.tier in ROLLED_UP and row.through is not None
    }
    counts = select(func.count().label("hours"), func.min(dirty_windows.c.marked_at).label("oldest"))
    counted = uow.execute(counts.select_from(dirty_windows)).one()
    return RollupFigures(through, counted.hours, counted.oldest)


def _own_rows(uow: UnitOfWork) -> Mapping[Tier, tuple[int | None, int | None]]:
    statement = select(tier_retentions.c.tier, tier_retentions.c.kept_s, tier_retentions.c.gone_before)
    rows = uow.execute(statement.where(tier_retentions.c.organization_id == uow.organization_id))
    return {Tier(row.tier): (row.kept_s, _ns(row.gone_before)) for row in rows}


def _ns(instant: datetime | None) -> int | None:
    return None if instant is None else ns_of(instant)

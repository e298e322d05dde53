"""Passes over organizations: who is next, and what was found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from strata_core.ports.search_index import SearchIndex
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.search.comparing import Comparison, OpenOrganization, held_buckets, total
from strata_core.search.entities import changed_after
from strata_core.search.generations import generations_of
from strata_core.search.projections import PROJECTIONS, STORE
from strata_core.search.repairing import ask_for_repairs, oldest_seen_at, remember
from strata_core.search.rules import Drift
from strata_datamodel.errors import ConflictError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import OUTBOX_ERROR_LENGTH
from strata_datamodel.search import Bucket
from strata_datamodel.tables.organizations import organizations
from strata_datamodel.tables.search import reconciliations

EVERY: Final = timedelta(minutes=1)
SOON: Final = timedelta(seconds=5)
"""While something is to be repaired: with REPAIRS_PER_PASS this is the rate that repairs are capped at."""
LEASE: Final = timedelta(minutes=5)
"""Renewed by the transactions of a pass: only a pass that stands still is given to somebody else."""
FULL_EVERY: Final = timedelta(minutes=10)
"""Rows are read at least as often, even where nothing seems to have changed."""
COMMITTED_AFTER: Final = timedelta(minutes=5)
"""A transaction does not commit later than so after it began: until then its rows are written in the past."""
_RESTS: Final = 20
"""Of a pass that takes long, in its length: no organization keeps a worker busy by itself."""
_ADOPTED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both had when all rows were last read, unless that is long ago, or they differed."""

    full_at: datetime
    total: Bucket


class PassLostError(ConflictError):
    """Another worker took the pass over."""

    code = "pass_lost"


@dataclass(frozen=True, slots=True)
class ClaimedPass:
    organization_id: OrganizationId
    kind: str
    epoch: int
    agreed: Agreed | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """`is_mine` is False when another worker took the pass over meanwhile: nothing was written."""

    is_mine: bool
    repairs: int = 0


def adopt_organizations(uow: UnitOfWork) -> int:
    """Those that came since the last time get their passes. In a system unit."""
    adopted = 0
    for kind in PROJECTIONS:
        known = select(reconciliations.c.organization_id)
        known = known.where(reconciliations.c.store == STORE, reconciliations.c.kind == kind)
        new = select(organizations.c.id).where(organizations.c.status == "active", organizations.c.id.not_in(known))
        rows = uow.execute(new.limit(_ADOPTED)).scalars().all()
        if rows:
            values = [{"organization_id": found, "store": STORE, "kind": kind} for found in rows]
            adopted += uow.execute(insert(reconciliations).values(values).on_conflict_do_nothing()).rowcount
    return adopted


def claim_pass(uow: UnitOfWork, worker: str) -> ClaimedPass | None:
    """The one that is due the longest and that nobody is at. In a system unit; commit before the pass."""
    r, now = reconciliations, uow.now()
    is_free = or_(r.c.lease_until.is_(None), r.c.lease_until <= now)
    is_active = select(organizations.c.id).where(organizations.c.status == "active")
    due = select(r.c.organization_id, r.c.store, r.c.kind)
    due = due.where(r.c.store == STORE, r.c.due_at <= now, is_free, r.c.organization_id.in_(is_active))
    chosen = due.order_by(r.c.due_at).limit(1).with_for_update(of=r, skip_locked=True).cte("chosen")
    row = uow.execute(
        update(r)
        .where(tuple_(r.c.organization_id, r.c.store, r.c.kind).in_(select(chosen)))
        .values(claimed_by=worker, lease_until=now + LEASE, epoch=r.c.epoch + 1)
        .returning(r.c.organization_id, r.c.kind, r.c.epoch, r.c.full_at, r.c.expected, r.c.checksum)
    ).one_or_none()
    if row is None:
        return None
    is_agreed = row.checksum is not None and row.full_at > now - FULL_EVERY
    agreed = Agreed(row.full_at, Bucket(row.expected, row.checksum)) if is_agreed else None
    return ClaimedPass(OrganizationId(row.organization_id), row.kind, row.epoch, agreed)


def keep_pass(uow: UnitOfWork, claimed: ClaimedPass) -> None:
    """Called in the transactions of a pass: its lease is renewed when a third of it is over, by the database's clock.
    Raises PassLostError once it is another's. One that ran out is good while nobody took it."""
    r, now = reconciliations, uow.now()
    lease_until = uow.execute(select(r.c.lease_until).where(_row_of(claimed))).scalar_one_or_none()
    if lease_until is not None and lease_until > now + LEASE * 2 / 3:
        return
    renewed = update(r).where(_row_of(claimed), r.c.lease_until.is_not(None)).values(lease_until=now + LEASE)
    if not uow.execute(renewed).rowcount:
        raise PassLostError("another worker took the pass over")


def is_unchanged(open_organization: OpenOrganization, index: SearchIndex, claimed: ClaimedPass) -> bool:
    """Whether both still have what they agreed on: no row was written since, and the index adds up to the same. Cheap
    beside a comparison, since it reads no rows."""
    if claimed.agreed is None:
        return False
    with open_organization(claimed.organization_id) as uow:
        place = generations_of(uow, claimed.kind).searched
        if changed_after(uow, claimed.kind, claimed.agreed.full_at - COMMITTED_AFTER):
            return False
    held, _ = held_buckets(index, place, claimed.organization_id)
    return total(held) == claimed.agreed.total


def settle_pass(uow: UnitOfWork, claimed: ClaimedPass, comparison: Comparison) -> Settled:
    """What was found is remembered, and repairs are asked for, in the organization's transaction. After it the pass is
    due again: soon, if there is something left to do."""
    if not _holds(uow, claimed):
        return Settled(is_mine=False)
    remember(uow, claimed.kind, comparison)
    repairs = ask_for_repairs(uow, claimed.kind)
    values: dict[str, object] = {
        "expected": comparison.wanted,
        "held": comparison.held,
        "missing": comparison.counts.get(Drift.MISSING, 0),
        "stale": comparison.counts.get(Drift.STALE, 0),
        "ghosts": comparison.counts.get(Drift.GHOST, 0),
        "ahead": comparison.counts.get(Drift.AHEAD, 0),
        "oldest_at": oldest_seen_at(uow, claimed.kind),
        "repairs": reconciliations.c.repairs + repairs,
        "last_error": None,
        "passed_at": uow.now(),
        "full_at": comparison.began_at,
        "checksum": comparison.checksum if comparison.is_same else None,
    }
    _end(uow, claimed, uow.now() + _pause(comparison, uow.now() - comparison.began_at), values)
    return Settled(is_mine=True, repairs=repairs)


def settle_unchanged(uow: UnitOfWork, claimed: ClaimedPass) -> None:
    """The figures of the last comparison are those of now."""
    _end(uow, claimed, uow.now() + EVERY, {"last_error": None, "passed_at": uow.now()})


def put_off_pass(uow: UnitOfWork, claimed: ClaimedPass, reason: str) -> None:
    """Nothing can be said of what a store holds that does not answer: the figures stay those of the last pass."""
    _end(uow, claimed, uow.now() + EVERY, {"last_error": reason[:OUTBOX_ERROR_LENGTH]})


def compared_organizations(uow: UnitOfWork) -> list[OrganizationId]:
    """Those whose passes are made: what is suspended or being deleted is left alone. In a system unit."""
    active = select(organizations.c.id).where(organizations.c.status == "active").order_by(organizations.c.id)
    return [OrganizationId(found) for found in uow.execute(active).scalars()]


def ask_for_passes(uow: UnitOfWork) -> None:
    """All of them, now, and rows are read. In a system unit."""
    all_of_them = update(reconciliations).where(reconciliations.c.store == STORE)
    uow.execute(all_of_them.values(due_at=func.app.now(), checksum=None))


def _pause(comparison: Comparison, took: timedelta) -> timedelta:
    """At most half of the time is spent on what heals, and a twentieth on what is well."""
    return max(SOON, took) if comparison.drift else max(EVERY, min(FULL_EVERY, _RESTS * took))


def _holds(uow: UnitOfWork, claimed: ClaimedPass) -> bool:
    held = select(reconciliations.c.epoch).where(_row_of(claimed)).with_for_update()
    return uow.execute(held).one_or_none() is not None


def _end(uow: UnitOfWork, claimed: ClaimedPass, due_at: datetime, values: Mapping[str, object]) -> None:
    ended = update(reconciliations).where(_row_of(claimed))
    uow.execute(ended.values(due_at=due_at, claimed_by=None, lease_until=None, **values))


def _row_of(claimed: ClaimedPass) -> ColumnElement[bool]:
    """While nobody claimed it since. A unit that does not see this organization does not see its row."""
    r = reconciliations
    mine = and_(r.c.organization_id == claimed.organization_id, r.c.store == STORE, r.c.kind == claimed.kind)
    return and_(mine, r.c.epoch == claimed.epoch)

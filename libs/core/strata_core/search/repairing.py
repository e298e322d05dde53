"""What differs is remembered, and repaired by events like those that changes write.

What brings the index up to date after a change repairs it too. Repairs are capped for each pass. A ghost is only taken
away when PostgreSQL still has no row of it a while after it was first missed there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Text, and_, case, cast, delete, func, null, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from strata_core.audit.commands import record
from strata_core.context import Actor, ActorKind, Context
from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.search.checksums import bucket_of_id
from strata_core.search.comparing import Comparison
from strata_core.search.events import projection_due
from strata_core.search.projections import PROJECTIONS, STORE
from strata_core.search.rules import Drift, Finding
from strata_datamodel.limits import REPAIRS_PER_PASS
from strata_datamodel.tables.search import divergences

GRACE: Final = timedelta(minutes=5)
"""How long PostgreSQL must have been seen without a row before the index forgets it."""
ASKED_AGAIN_AFTER: Final = timedelta(minutes=1)
_RECONCILER: Final = Actor(ActorKind.SYSTEM, None, "reconciler")
_WRITTEN_AT_ONCE: Final = 1_000
_ENDS: Final = (func.pg_snapshot_xmin, func.pg_snapshot_xmax)


@dataclass(frozen=True, slots=True)
class _Running:
    """Numbers of transactions: those before `oldest` are over, those from `below` on had not begun."""

    oldest: int
    below: int


def remember(uow: UnitOfWork, kind: str, comparison: Comparison) -> None:
    """How long something differs counts from when it was first seen to. What differs in another way begins anew."""
    now, running = uow.now(), _running(uow)
    rows: list[dict[str, object]] = [
        {
            "organization_id": uow.organization_id,
            "store": STORE,
            "kind": kind,
            "entity_id": finding.entity_id,
            "problem": finding.drift.value,
            "held_version": finding.version,
            "first_seen_at": now,
            "last_seen_at": now,
            "first_seen_xid": running.below,
        }
        for finding in comparison.findings
    ]
    for start in range(0, len(rows), _WRITTEN_AT_ONCE):
        _note(uow, rows[start : start + _WRITTEN_AT_ONCE], now)
    over = [_of(uow, kind), divergences.c.last_seen_at < now]
    if not comparison.is_whole:
        over.append(bucket_of_id(divergences.c.entity_id).in_(sorted(comparison.examined)))
    uow.execute(delete(divergences).where(*over))


def ask_for_repairs(uow: UnitOfWork, kind: str) -> int:
    """Of what differs the longest, as many as a pass may; how many were asked for. What was asked for and still differs
    is asked for again after a while. Of a ghost only when every transaction that had begun when it was first seen is
    over: none of them can still bring its row."""
    d, now = divergences, uow.now()
    is_due = or_(d.c.repair_asked_at.is_(None), d.c.repair_asked_at <= now - ASKED_AGAIN_AFTER)
    running = _running(uow)
    # Numbers start lower again in a database that was put back into another server.
    is_over = or_(d.c.first_seen_xid <= running.oldest, d.c.first_seen_xid > running.below)
    is_sure = or_(d.c.problem != Drift.GHOST, and_(d.c.first_seen_at <= now - GRACE, is_over))
    wanted = select(d.c.entity_id, d.c.problem, d.c.held_version).where(_of(uow, kind), is_due, is_sure)
    rows = uow.execute(wanted.order_by(d.c.first_seen_at, d.c.entity_id).limit(REPAIRS_PER_PASS)).all()
    for row in rows:
        _repair(uow, kind, Finding(row.entity_id, Drift(row.problem), row.held_version))
    asked = [row.entity_id for row in rows]
    uow.execute(update(d).where(_of(uow, kind), d.c.entity_id.in_(asked)).values(repair_asked_at=now))
    return len(rows)


def oldest_seen_at(uow: UnitOfWork, kind: str) -> datetime | None:
    oldest: datetime | None = uow.execute(
        select(func.min(divergences.c.first_seen_at)).where(_of(uow, kind))
    ).scalar_one()
    return oldest


def _repair(uow: UnitOfWork, kind: str, finding: Finding) -> None:
    """Of a ghost nothing but the event: whoever answers it looks for the row once more."""
    if finding.drift is Drift.AHEAD:
        _outrank(uow, kind, finding)
    append(uow, projection_due(kind, finding.entity_id, finding.version))


def _outrank(uow: UnitOfWork, kind: str, finding: Finding) -> None:
    """The row gets a version that the index has to take: PostgreSQL is the truth, also after it was put back."""
    table = PROJECTIONS[kind].table
    mine = and_(table.c.organization_id == uow.organization_id, table.c.id == finding.entity_id)
    version = finding.version + 1
    raised = uow.execute(
        update(table).where(mine, table.c.version <= finding.version).values(version=version, updated_at=uow.now())
    )
    if raised.rowcount:
        ctx = Context(uow.organization_id, _RECONCILER, frozenset(), f"reconciler-{kind}")
        after = {"version": version, "reason": "the search index held a version that PostgreSQL does not have"}
        record(ctx, uow, f"{kind}.outrank", kind, str(finding.entity_id), after=after)


def _note(uow: UnitOfWork, rows: list[dict[str, object]], now: datetime) -> None:
    d, found = divergences, insert(divergences).values(rows)
    is_same = d.c.problem == found.excluded.problem
    changes: Mapping[str, object] = {
        "problem": found.excluded.problem,
        "held_version": found.excluded.held_version,
        "last_seen_at": now,
        "first_seen_at": case((is_same, d.c.first_seen_at), else_=now),
        "repair_asked_at": case((is_same, d.c.repair_asked_at), else_=null()),
        "first_seen_xid": case(
            (and_(is_same, d.c.first_seen_xid.is_not(None)), d.c.first_seen_xid), else_=found.excluded.first_seen_xid
        ),
    }
    key = [d.c.organization_id, d.c.store, d.c.kind, d.c.entity_id]
    uow.execute(found.on_conflict_do_update(index_elements=key, set_=changes))


def _running(uow: UnitOfWork) -> _Running:
    snapshot = func.pg_current_snapshot()
    oldest, below = (cast(cast(end(snapshot), Text), BigInteger) for end in _ENDS)
    row = uow.execute(select(oldest.label("oldest"), below.label("below"))).one()
    return _Running(row.oldest, row.below)


def _of(uow: UnitOfWork, kind: str) -> ColumnElement[bool]:
    d = divergences
    return and_(d.c.organization_id == uow.organization_id, d.c.store == STORE, d.c.kind == kind)

"""How far stores are from what they should hold, as the newest passes found."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import case, func, select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.search import reconciliations
from strata_datamodel.tables.working import spool_reports

SPOOL: Final = "spool"
"""The kind that accepted requests stand under."""
LATE_AFTER: Final = timedelta(minutes=1)
LOSS_TOLD_FOR: Final = timedelta(days=1)
FORGOTTEN_AFTER: Final = timedelta(hours=1)
"""A spool whose process is gone for so long says nothing any more."""


@dataclass(frozen=True, slots=True)
class DriftRow:
    """`passed_at` is of the pass that is the longest ago, or when an organization that had none yet is due."""

    store: str
    kind: str
    organizations: int
    wanted: int
    held: int
    missing: int
    stale: int
    ghosts: int
    ahead: int
    repairs: int
    oldest_at: datetime | None
    passed_at: datetime | None
    failing: int

    @property
    def total(self) -> int:
        return self.missing + self.stale + self.ghosts + self.ahead


def nothing_known(store: str, kind: str) -> DriftRow:
    """Before anything was counted."""
    return DriftRow(store, kind, 0, 0, 0, 0, 0, 0, 0, 0, None, None, 0)


def drift_by_kind(uow: UnitOfWork) -> dict[tuple[str, str], DriftRow]:
    """By (store, kind), of all organizations and spools. In a system unit."""
    return _of_organizations(uow) | _of_spools(uow)


def _of_spools(uow: UnitOfWork) -> dict[tuple[str, str], DriftRow]:
    """What was accepted and a store does not have: *missing* where the store went back, as after it was restored, which
    is told for a day; *stale* what has waited for longer than a minute."""
    s, now = spool_reports.c, uow.now()
    recently_lost = case((s.lost_at > now - LOSS_TOLD_FOR, s.lost), else_=0)
    overdue = case((s.waiting_since < now - LATE_AFTER, s.waiting), else_=0)
    rows = uow.execute(
        select(
            s.store,
            func.sum(s.acknowledged + s.waiting).label("wanted"),
            func.sum(s.acknowledged - recently_lost).label("held"),
            func.sum(recently_lost).label("missing"),
            func.sum(overdue).label("overdue"),
            func.min(case((recently_lost > 0, s.lost_at), (overdue > 0, s.waiting_since))).label("oldest_at"),
            func.min(s.reported_at).label("passed_at"),
        )
        .where(s.reported_at > now - FORGOTTEN_AFTER)
        .group_by(s.store)
    )
    return {
        (row.store, SPOOL): replace(
            nothing_known(row.store, SPOOL),
            wanted=int(row.wanted),
            held=int(row.held),
            missing=int(row.missing),
            stale=int(row.overdue),
            oldest_at=row.oldest_at,
            passed_at=row.passed_at,
        )
        for row in rows
    }


def _of_organizations(uow: UnitOfWork) -> dict[tuple[str, str], DriftRow]:
    r = reconciliations
    rows = uow.execute(
        select(
            r.c.store,
            r.c.kind,
            func.count().label("organizations"),
            *(
                func.coalesce(func.sum(r.c[name]), 0).label(name)
                for name in ("expected", "held", "missing", "stale", "ghosts", "ahead", "repairs")
            ),
            func.min(r.c.oldest_at).label("oldest_at"),
            func.min(func.coalesce(r.c.passed_at, r.c.due_at)).label("passed_at"),
            func.count(r.c.last_error).label("failing"),
        ).group_by(r.c.store, r.c.kind)
    )
    return {
        (row.store, row.kind): DriftRow(
            store=row.store,
            kind=row.kind,
            organizations=row.organizations,
            wanted=int(row.expected),
            held=int(row.held),
            missing=int(row.missing),
            stale=int(row.stale),
            ghosts=int(row.ghosts),
            ahead=int(row.ahead),
            repairs=int(row.repairs),
            oldest_at=row.oldest_at,
            passed_at=row.passed_at,
            failing=row.failing,
        )
        for row in rows
    }

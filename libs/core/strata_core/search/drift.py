"""How far stores are from what they should hold, as the newest passes found."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.search import reconciliations


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
    """By (store, kind). In a system unit: of all organizations; else of one."""
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

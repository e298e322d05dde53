"""Reads of sagas: an organization's own, and the figures over all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, select

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.listing.pages import as_asked, newest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.rules import SagaState, StepState
from strata_datamodel.errors import NotFoundError
from strata_datamodel.ids import SagaId
from strata_datamodel.tables.sagas import saga_steps, sagas


@dataclass(frozen=True, slots=True)
class SagaSummary:
    """`reason` is why it is parked or being undone, or what it failed of last. `stuck_since`: since when it has failed
    so often that a person should look; it is tried on all the same."""

    id: SagaId
    kind: str
    definition_version: int
    state: str
    parked_from: str | None
    reason_code: str | None
    reason: str | None
    request: str | None
    requested_by: str | None
    started_by: str
    failures: int
    stuck_since: datetime | None
    due_at: datetime | None
    deadline_at: datetime
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    steps_done: int
    steps_total: int

    @property
    def needs_attention(self) -> bool:
        return self.state == SagaState.PARKED or self.stuck_since is not None


@dataclass(frozen=True, slots=True)
class SagaStep:
    seq: int
    name: str
    kind: str
    state: str
    attempts: int
    undo_attempts: int
    last_error: str | None
    started_at: datetime | None
    done_at: datetime | None
    undone_at: datetime | None

    @property
    def duration_ms(self) -> int | None:
        """From its intent to its effect's confirmation, waiting and failures in between."""
        if self.started_at is None or self.done_at is None:
            return None
        return round((self.done_at - self.started_at).total_seconds() * 1000)


@dataclass(frozen=True, slots=True)
class SagaDetail:
    summary: SagaSummary
    steps: tuple[SagaStep, ...]
    is_past_pivot: bool


@dataclass(frozen=True, slots=True)
class SagaFigures:
    """`living` counts those that have not ended, by state."""

    living: Mapping[str, int]
    stuck: int
    oldest_due_at: datetime | None


_COUNTED: Final = ("steps_done", "steps_total")
_same_saga = and_(saga_steps.c.organization_id == sagas.c.organization_id, saga_steps.c.saga_id == sagas.c.id)
_PLAIN: Final = tuple(sagas.c[name] for name in SagaSummary.__slots__ if name not in _COUNTED)
_STEPS: Final = select(func.count()).select_from(saga_steps).where(_same_saga)
_SHOWN: Final = (
    *_PLAIN,
    _STEPS.where(saga_steps.c.state == StepState.DONE.value).correlate(sagas).scalar_subquery().label("steps_done"),
    _STEPS.correlate(sagas).scalar_subquery().label("steps_total"),
)
_STEP_SHOWN: Final = tuple(saga_steps.c[name] for name in SagaStep.__slots__)
_BEGUN: Final = frozenset({StepState.INTENDED, StepState.UNKNOWN, StepState.DONE})


def saga_page(
    ctx: Context,
    uow: UnitOfWork,
    *,
    limit: int,
    after: SagaId | None = None,
    state: str | None = None,
    kind: str | None = None,
) -> list[SagaSummary]:
    """Newest first."""
    require(ctx, "sagas:read")
    asked = as_asked(sagas, state=state, kind=kind)
    wanted = select(*_SHOWN).where(sagas.c.organization_id == ctx.organization_id, *asked)
    rows = uow.execute(newest_first(wanted, sagas.c.id, before=after, limit=limit)).mappings()
    return [_summary_from(row) for row in rows]


def saga_of(ctx: Context, uow: UnitOfWork, saga_id: SagaId) -> SagaDetail:
    require(ctx, "sagas:read")
    here = (sagas.c.organization_id == ctx.organization_id, sagas.c.id == saga_id)
    row = uow.execute(select(*_SHOWN, sagas.c.pivot).where(*here)).mappings().one_or_none()
    if row is None:
        raise NotFoundError("no such saga")
    wanted = (
        select(*_STEP_SHOWN)
        .where(saga_steps.c.organization_id == ctx.organization_id, saga_steps.c.saga_id == saga_id)
        .order_by(saga_steps.c.seq)
    )
    steps = tuple(SagaStep(*tuple(step)) for step in uow.execute(wanted))
    pivot: int | None = row["pivot"]
    return SagaDetail(_summary_from(row), steps, pivot is not None and StepState(steps[pivot].state) in _BEGUN)


def ended_state(uow: UnitOfWork, saga_id: SagaId) -> SagaState | None:
    """None while it lives. For whoever waits for it."""
    here = (sagas.c.organization_id == uow.organization_id, sagas.c.id == saga_id, sagas.c.ended_at.is_not(None))
    found = uow.execute(select(sagas.c.state).where(*here)).scalar_one_or_none()
    return None if found is None else SagaState(found)


def saga_figures(uow: UnitOfWork) -> SagaFigures:
    """Over all organizations, in a system unit."""
    living = uow.execute(
        select(
            sagas.c.state,
            func.count().label("sagas"),
            func.count(sagas.c.stuck_since).label("stuck"),
            func.min(sagas.c.due_at).filter(sagas.c.due_at <= uow.now()).label("oldest"),
        )
        .where(sagas.c.ended_at.is_(None))
        .group_by(sagas.c.state)
    ).all()
    return SagaFigures(
        {row.state: row.sagas for row in living},
        sum(row.stuck for row in living),
        min((row.oldest for row in living if row.oldest is not None), default=None),
    )


def _summary_from(row: Mapping[Any, Any]) -> SagaSummary:
    return SagaSummary(**{name: row[name] for name in SagaSummary.__slots__})

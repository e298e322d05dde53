"""Whether what was accepted before an instant has come to its store, as far as spools tell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import or_, select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.limits import SPOOLS_WAITED_FOR
from strata_datamodel.tables.working import spool_reports

SILENT_AFTER: Final = timedelta(minutes=2)
"""Several reports: whoever does not send one by then is not waited for any longer."""
GONE_AFTER: Final = timedelta(hours=1)
"""A spool that was empty when it was heard of last, so long ago, holds nothing back."""


@dataclass(frozen=True, slots=True)
class SpoolState:
    """As it was at `reported_at`, or a little later."""

    spool_id: UUID
    store: str
    acknowledged: int
    waiting: int
    waiting_since: datetime | None
    reported_at: datetime


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a spool was, at least, when it was looked at."""

    through: int
    noted_at: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """`late` are those that may still be heard of, `silent` those that are given up."""

    marks: Mapping[UUID, Mark]
    late: Sequence[SpoolState]
    silent: Sequence[SpoolState]


def spool_states(uow: UnitOfWork, since: datetime) -> Sequence[SpoolState]:
    """For workers: those that may hold something that was accepted before that instant, longest unheard first."""
    s = spool_reports.c
    wanted = select(s.spool_id, s.store, s.acknowledged, s.waiting, s.waiting_since, s.reported_at)
    wanted = wanted.where(or_(s.waiting > 0, s.reported_at > since - GONE_AFTER))
    rows = uow.execute(wanted.order_by(s.reported_at, s.spool_id).limit(SPOOLS_WAITED_FOR))
    return [SpoolState(**row) for row in rows.mappings()]


def heard_since(states: Iterable[SpoolState], since: datetime, now: datetime) -> Heard:
    """Sequences have gaps where something was damaged, so `through` may be too low: `is_past` asks for the time too."""
    marks, late, silent = {}, [], []
    for state in states:
        if state.reported_at > since:
            marks[state.spool_id] = Mark(state.acknowledged + state.waiting, state.reported_at)
        elif now < since + SILENT_AFTER:
            late.append(state)
        else:
            silent.append(state)
    return Heard(marks, late, silent)


def is_past(mark: Mark, state: SpoolState) -> bool:
    """All that was accepted before the mark is in the store, or in the dead letters."""
    if state.waiting == 0:
        return state.reported_at >= mark.noted_at
    is_newer = state.waiting_since is not None and state.waiting_since > mark.noted_at
    return state.acknowledged >= mark.through and is_newer

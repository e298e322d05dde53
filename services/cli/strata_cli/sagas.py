"""`strata sagas`: what crosses the stores, for an operator at the console."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from strata_cli.access.acting import acting
from strata_cli.administration import administration
from strata_cli.progress import progress_bar
from strata_cli.rendering import EXIT_BROKEN, out, print_document, print_json, print_outcome, print_table
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.commands import cancel_saga, compensate_saga, retry_saga
from strata_core.sagas.queries import SagaDetail, SagaStep, SagaSummary, saga_of, saga_page
from strata_core.sagas.rules import SagaState, StepState
from strata_datamodel.errors import UnavailableError
from strata_datamodel.ids import SagaId
from strata_datamodel.limits import PAGE_SIZE_MAX
from strata_stores.settings import Settings

Look = Callable[[], SagaDetail]
Command = Callable[[Context, UnitOfWork, SagaId], SagaDetail]
_COLUMNS: Final = ("saga", "kind", "state", "steps", "created", "reason")


def run_list(
    settings: Settings,
    org: str,
    acting_as: str | None,
    *,
    state: str | None,
    kind: str | None,
    limit: int,
    as_json: bool,
) -> None:
    found: list[SagaSummary] = []
    with acting(settings, org, acting_as, "sagas") as who:
        while len(found) < limit:
            after = found[-1].id if found else None
            size = min(PAGE_SIZE_MAX, limit - len(found))
            page = saga_page(who.ctx, who.uow, limit=size, after=after, state=state, kind=kind)
            found += page
            if len(page) < size:
                break
    if as_json:
        print_json([_summary_document(saga) for saga in found])
        return
    print_table(_COLUMNS, [_row(saga) for saga in found])


def run_show(settings: Settings, org: str, acting_as: str | None, saga_id: UUID, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "sagas") as who:
        detail = saga_of(who.ctx, who.uow, SagaId(saga_id))
    if as_json:
        print_json(_document(detail))
        return
    _print_detail(detail)


def run_watch(
    settings: Settings,
    org: str,
    acting_as: str | None,
    saga_id: UUID,
    *,
    every_s: float,
    timeout_s: float | None,
    as_json: bool,
) -> int:
    with _looking(settings, org, acting_as, SagaId(saga_id)) as (look, clock_s):
        detail = _followed(look, clock_s, every_s, timeout_s, tells=not as_json)
    print_outcome(_document(detail), _sentence(detail.summary), as_json=as_json)
    return 0 if detail.summary.state == SagaState.DONE else EXIT_BROKEN


def run_retry(settings: Settings, org: str, acting_as: str | None, saga_id: UUID, *, as_json: bool) -> None:
    _ask(settings, org, acting_as, saga_id, retry_saga, as_json=as_json)


def run_compensate(settings: Settings, org: str, acting_as: str | None, saga_id: UUID, *, as_json: bool) -> None:
    _ask(settings, org, acting_as, saga_id, compensate_saga, as_json=as_json)


def run_cancel(settings: Settings, org: str, acting_as: str | None, saga_id: UUID, *, as_json: bool) -> None:
    _ask(settings, org, acting_as, saga_id, cancel_saga, as_json=as_json)


def _ask(
    settings: Settings, org: str, acting_as: str | None, saga_id: UUID, command: Command, *, as_json: bool
) -> None:
    with acting(settings, org, acting_as, "sagas") as who:
        detail = command(who.ctx, who.uow, SagaId(saga_id))
    sentence = f"{detail.summary.id}: asked to {detail.summary.request}, and due now"
    print_outcome(_document(detail), sentence, as_json=as_json)


@contextmanager
def _looking(
    settings: Settings, org: str, acting_as: str | None, saga_id: SagaId
) -> Iterator[tuple[Look, Callable[[], float]]]:
    """Each look is a transaction of its own, on one set of connections."""
    with acting(settings, org, acting_as, "sagas") as who:
        ctx = who.ctx
    with administration(settings, "strata sagas") as relational:
        units = relational.system_units
        if units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")

        def look() -> SagaDetail:
            with units.organization(ctx.organization_id) as uow:
                return saga_of(ctx, uow, saga_id)

        yield look, relational.clock.monotonic_s


def _followed(
    look: Look, clock_s: Callable[[], float], every_s: float, timeout_s: float | None, *, tells: bool
) -> SagaDetail:
    """The newest look, once nothing more happens by itself or the time is over."""
    pause = threading.Event()
    until_s = None if timeout_s is None else clock_s() + timeout_s
    told: dict[int, str] = {}
    with progress_bar("steps") as tell:
        while True:
            detail = look()
            tell(detail.summary.steps_done, detail.summary.steps_total)
            if tells:
                _tell_changes(detail, told)
            if detail.summary.due_at is None or (until_s is not None and clock_s() >= until_s):
                return detail
            pause.wait(every_s)


def _tell_changes(detail: SagaDetail, told: dict[int, str]) -> None:
    for step in detail.steps:
        line = _step_line(step)
        if step.state != StepState.PENDING and told.get(step.seq) != line:
            told[step.seq] = line
            out.print(line, markup=False, soft_wrap=True)


def _step_line(step: SagaStep) -> str:
    error = f": {step.last_error}" if step.last_error else ""
    return f"{step.seq + 1:>3}  {step.name:<24} {step.state:<9} {step.attempts}+{step.undo_attempts}{error}"


def _print_detail(detail: SagaDetail) -> None:
    saga = detail.summary
    print_document(
        {
            "saga": saga.id,
            "kind": f"{saga.kind} {saga.definition_version}",
            "state": _sentence(saga),
            "reason": saga.reason or "",
            "started by": saga.started_by,
            "created": _instant(saga.created_at),
            "due": _instant(saga.due_at),
            "deadline": _instant(saga.deadline_at),
            "ended": _instant(saga.ended_at),
            "past its pivot": "yes" if detail.is_past_pivot else "no",
        }
    )
    rows = [
        (
            step.seq + 1,
            step.name,
            step.kind,
            step.state,
            f"{step.attempts}+{step.undo_attempts}",
            "" if step.duration_ms is None else f"{step.duration_ms} ms",
            step.last_error or "",
        )
        for step in detail.steps
    ]
    print_table(("step", "name", "kind", "state", "attempts+undos", "took", "reason"), rows)


def _sentence(saga: SagaSummary) -> str:
    attention = " (needs attention)" if saga.needs_attention else ""
    return f"{saga.state}, {saga.steps_done} of {saga.steps_total} steps done{attention}"


def _row(saga: SagaSummary) -> tuple[object, ...]:
    state = f"{saga.state} !" if saga.needs_attention else saga.state
    steps = f"{saga.steps_done}/{saga.steps_total}"
    return saga.id, saga.kind, state, steps, _instant(saga.created_at), saga.reason or ""


def _instant(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def _summary_document(saga: SagaSummary) -> dict[str, object]:
    return {**_plain(asdict(saga)), "needs_attention": saga.needs_attention}


def _document(detail: SagaDetail) -> dict[str, object]:
    steps = [{**_plain(asdict(step)), "duration_ms": step.duration_ms} for step in detail.steps]
    return {**_summary_document(detail.summary), "is_past_pivot": detail.is_past_pivot, "steps": steps}


def _plain(document: Mapping[str, object]) -> dict[str, object]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value
        for name, value in document.items()
    }

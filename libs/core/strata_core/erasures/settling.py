"""What was accepted before an erasure was asked for comes to its store first: else it would bring the data back."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select

from strata_core.cells.commands import lock_organization
from strata_core.cells.queries import is_moving
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.receipts.documents import instant
from strata_core.sagas.definitions import Json, NotYetError, Saga
from strata_core.spool_reports.settling import SILENT_AFTER, Mark, SpoolState, heard_since, is_past, spool_states
from strata_datamodel.limits import SPOOLS_NAMED
from strata_datamodel.tables.erasing import erasures

NOTE: Final = "note-spools"
SETTLE: Final = "settle"
_AGAIN: Final = timedelta(seconds=5)


def note_spools(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    """How far each spool is, by a report of its process from after the request. Not while metrics are copied into
    another cell, which could bring back what was erased."""
    lock_organization(uow)
    if is_moving(uow):
        raise NotYetError("waits for the metrics to be in another cell", _AGAIN)
    asked_at = _asked_at(uow, saga)
    heard = heard_since(spool_states(uow, asked_at), asked_at, uow.now())
    if heard.late:
        raise NotYetError(f"waits to hear of {len(heard.late)} spools", _AGAIN)
    marks = {str(spool_id): [mark.through, mark.noted_at.isoformat()] for spool_id, mark in heard.marks.items()}
    return {"marks": marks, "silent": [_named(state) for state in heard.silent]}


def wait_for_spools(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    """Until each is past its mark, however long its store is away. One that is not heard of any more is given up."""
    noted = saga.outputs[NOTE]
    states = {state.spool_id: state for state in spool_states(uow, _asked_at(uow, saga))}
    silent, behind = list(noted["silent"]), 0
    for spool_id, (through, noted_at) in noted["marks"].items():
        state = states.get(UUID(spool_id))
        if state is None or is_past(Mark(through, datetime.fromisoformat(noted_at)), state):
            continue
        if state.reported_at < uow.now() - SILENT_AFTER:
            silent.append(_named(state))
        else:
            behind += 1
    if behind:
        raise NotYetError(f"{behind} spools hold what was accepted before the request", _AGAIN)
    return {"settled": len(noted["marks"]) + len(noted["silent"]) - len(silent), "silent": silent}


def settled(saga: Saga) -> Json:
    """For the receipt: of how many spools all is in, and those of which nobody knows."""
    found = saga.outputs[SETTLE]
    silent = found["silent"]
    return {"settled": found["settled"], "silent": len(silent), "silent_spools": silent[:SPOOLS_NAMED]}


def _asked_at(uow: UnitOfWork, saga: Saga) -> datetime:
    wanted = select(erasures.c.created_at).where(erasures.c.id == UUID(saga.input["erasure_id"]))
    at: datetime = uow.execute(wanted).scalar_one()
    return at


def _named(state: SpoolState) -> Json:
    return {
        "spool_id": str(state.spool_id),
        "store": state.store,
        "waiting": state.waiting,
        "reported_at": instant(state.reported_at),
    }

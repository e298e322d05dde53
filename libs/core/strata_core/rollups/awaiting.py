"""What a roll-up had read before its points were deleted comes back as windows: so all is deleted again, once no call
of the worker that rolls up can have begun before."""

from datetime import datetime, timedelta
from typing import Final

from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.rollups.queries import may_roll_since
from strata_core.sagas.definitions import Json, NotYetError, Saga

NOTE: Final = "note-roll-ups"
WAIT: Final = "await-roll-ups"
_AGAIN: Final = timedelta(seconds=5)


def note_roll_ups(_: Context, uow: UnitOfWork, __: Saga) -> Json:
    return {"at": uow.now().isoformat()}


def wait_for_roll_ups(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    if may_roll_since(uow, datetime.fromisoformat(saga.outputs[NOTE]["at"])):
        raise NotYetError("a roll-up may have read what was deleted", _AGAIN)
    return None

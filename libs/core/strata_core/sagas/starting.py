"""Starting a saga, with the change that it follows."""

from collections.abc import Collection, Mapping
from typing import Final

import orjson
from sqlalchemy import insert

from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.definitions import Json, SagaDefinition
from strata_core.sagas.events import SAGA_STARTED, saga_event
from strata_core.sagas.rules import StepState
from strata_datamodel.errors import TooLargeError
from strata_datamodel.ids import SagaId
from strata_datamodel.limits import SAGA_DOCUMENT_BYTES
from strata_datamodel.tables.sagas import saga_steps, sagas

_PLANNED: Final = {"state": StepState.PENDING.value, "started_at": None, "done_at": None}
_DONE: Final = {"state": StepState.DONE.value}


def start_saga(
    ctx: Context,
    uow: UnitOfWork,
    definition: SagaDefinition,
    given: Mapping[str, Json],
    *,
    lock_key: str | None = None,
    done: Collection[str] = (),
) -> SagaId:
    """Runs if, and only if, the transaction commits. Whoever calls has asked whether the caller may. All steps are
    written down now: a later release whose steps differ is found out before it does anything. Raises ConflictError
    (code `already_exists`) while a saga of this kind lives under the same `lock_key`. The caller does those in `done`
    within this transaction: else a saga that is turned back before anybody ran it would undo nothing."""
    checked_size("its input", given)
    saga_id, now = SagaId(new_id(uow)), uow.now()
    uow.execute(
        insert(sagas),
        {
            "organization_id": uow.organization_id,
            "id": saga_id,
            "kind": definition.kind,
            "definition_version": definition.version,
            "input": dict(given),
            "started_by": ctx.actor.label,
            "lock_key": lock_key,
            "pivot": definition.pivot_seq,
            "due_at": now,
            "deadline_at": now + definition.deadline,
            "created_at": now,
            "updated_at": now,
        },
    )
    uow.execute(
        insert(saga_steps),
        [
            {
                "organization_id": uow.organization_id,
                "saga_id": saga_id,
                "seq": seq,
                "name": step.name,
                "kind": step.kind.value,
                **(_DONE | {"started_at": now, "done_at": now} if step.name in done else _PLANNED),
            }
            for seq, step in enumerate(definition.steps)
        ],
    )
    about = {"kind": definition.kind, "version": definition.version}
    record(ctx, uow, SAGA_STARTED, "saga", str(saga_id), after=about)
    append(uow, saga_event(SAGA_STARTED, saga_id, about))
    return saga_id


def checked_size(what: str, document: Json) -> bytes:
    """As it will be written."""
    text = orjson.dumps(document)
    if len(text) > SAGA_DOCUMENT_BYTES:
        raise TooLargeError(f"{what} is larger than {SAGA_DOCUMENT_BYTES} bytes", hint="SAGA_DOCUMENT_BYTES")
    return text

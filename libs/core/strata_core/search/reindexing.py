"""Re-index: a new generation beside the one that is searched, filled from PostgreSQL, compared, and switched to.

From `begin` on, changes are written to both. `fill` and `verify` go by what differs between PostgreSQL and the new
generation, so they can be cut off anywhere. `switch` is one row of PostgreSQL: a search is in the old generation or in
the new one, and both are complete then.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.definitions import (
    Json,
    LocalStep,
    NotYetError,
    PutStep,
    Saga,
    SagaDefinition,
    nothing_to_undo,
)
from strata_core.sagas.starting import start_saga
from strata_core.sagas.tools import SagaTools
from strata_core.search.checksums import unix_us
from strata_core.search.comparing import SETTLED_AFTER
from strata_core.search.filling import Filled, fill
from strata_core.search.generations import begin_building, end_building, switch_to
from strata_core.search.projections import ALERT, PROJECTIONS
from strata_datamodel.errors import ConflictError, InvalidError
from strata_datamodel.ids import OrganizationId, SagaId
from strata_datamodel.limits import REINDEXED_PER_CALL
from strata_datamodel.search import GenerationMissingError, Place

_AT_ONCE: Final = timedelta(0)
_A_MOMENT: Final = timedelta(seconds=1)


def start_reindex(ctx: Context, uow: UnitOfWork, kind: str = ALERT) -> SagaId:
    """Raises ConflictError (code `already_exists`) while one is under way."""
    require(ctx, "sagas:write")
    if kind not in PROJECTIONS:
        raise InvalidError(
            f"there is no index of {kind}", code="unknown_kind", hint=f"there is {', '.join(PROJECTIONS)}"
        )
    return start_saga(ctx, uow, REINDEX, {"kind": kind}, lock_key=kind)


def _begin(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    generations = begin_building(uow, saga.input["kind"])
    return {"from": generations.active, "to": generations.building}


def _leave(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    end_building(uow, saga.input["kind"], saga.outputs["begin"]["to"])


def _name_new(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    return _named(uow, saga, saga.outputs["begin"]["to"])


def _name_old(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    return _named(uow, saga, saga.outputs["begin"]["from"])


def _named(uow: UnitOfWork, saga: Saga, generation: int) -> dict[str, Any]:
    organization_id = str(uow.organization_id)
    return {"organization_id": organization_id, "kind": saga.input["kind"], "generation": generation}


def _create(tools: SagaTools, intent: Json) -> Json:
    tools.search_index.create(_place(intent))


def _fill(tools: SagaTools, intent: Json) -> Json:
    filled = _filled(tools, intent)
    if filled.left:
        raise NotYetError(f"{filled.left} of 256 buckets left, of {filled.entities} entities", _AT_ONCE)
    return {"entities": filled.entities}


def _verify(tools: SagaTools, intent: Json) -> Json:
    """Whatever differs is repaired, and looked at once more."""
    filled = _filled(tools, intent)
    if not filled.is_complete:
        raise NotYetError(f"{filled.unsettled} entities differed, {filled.left} buckets are not compared", _A_MOMENT)
    return {"entities": filled.entities}


def _filled(tools: SagaTools, intent: Json) -> Filled:
    organization_id, place = _organization(intent), _place(intent)
    settled_us = unix_us(tools.search_source.now(organization_id) - SETTLED_AFTER)
    return fill(
        tools.search_source,
        tools.search_index,
        organization_id,
        place,
        settled_us=settled_us,
        limit=REINDEXED_PER_CALL,
    )


def _switch(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    if not switch_to(uow, saga.input["kind"], saga.outputs["begin"]["to"]):
        raise ConflictError("this generation is not being built any more", code="reindex_lost")


def _remove(tools: SagaTools, intent: Json) -> Json:
    """This organization's part. When no organization is left in a generation, the workers drop it."""
    try:
        tools.search_index.remove(_place(intent), _organization(intent))
    except GenerationMissingError:
        return


def _place(intent: Mapping[str, Any]) -> Place:
    return Place(intent["kind"], intent["generation"])


def _organization(intent: Mapping[str, Any]) -> OrganizationId:
    return OrganizationId(UUID(intent["organization_id"]))


REINDEX: Final = SagaDefinition(
    kind="search_reindex",
    version=1,
    steps=(
        LocalStep("begin", run=_begin, undo=_leave),
        PutStep("create", intend=_name_new, effect=_create, undo_effect=_remove),
        PutStep("fill", intend=_name_new, effect=_fill, undo_effect=nothing_to_undo, timeout=timedelta(minutes=5)),
        PutStep("verify", intend=_name_new, effect=_verify, undo_effect=nothing_to_undo, timeout=timedelta(minutes=5)),
        LocalStep("switch", run=_switch),
        PutStep("remove-old", intend=_name_old, effect=_remove, timeout=timedelta(minutes=5)),
    ),
    pivot="switch",
    deadline=timedelta(hours=12),
)

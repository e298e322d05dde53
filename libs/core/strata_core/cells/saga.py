"""The saga that moves an organization's metrics into another cell, while it sends and asks.

Until the switch everything is in the old cell, and what is done can be taken back by emptying the new one.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import select

from strata_core.audit.commands import record
from strata_core.cells.commands import lock_organization, place
from strata_core.cells.copying import Journey, copy_hour, hours_that_differ, is_emptied
from strata_core.cells.queries import placement_of
from strata_core.cells.rules import BEGIN, KIND
from strata_core.context import Context
from strata_core.instants import ns_of
from strata_core.organizations.rules import DELETING, PROVISIONING
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.rollups.queries import tier_state
from strata_core.sagas.definitions import Json, LocalStep, NotYetError, PutStep, Saga, SagaDefinition, nothing_to_undo
from strata_core.sagas.rules import StepState
from strata_core.sagas.tools import SagaTools
from strata_datamodel.errors import ConflictError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.sagas import saga_steps, sagas
from strata_datamodel.tiers import Tier

MOVED: Final = "organization.moved"
_DESTROYERS: Final = ("erasure", "organization_deletion")
_LONG: Final = timedelta(minutes=30)
_AGAIN: Final = timedelta(seconds=2)
_AT_ONCE: Final = timedelta(0)
_TURN_S: Final = 5.0
_IN_TIME_S: Final = 60.0


def name_cells(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    placement = placement_of(uow)
    if placement.also is None and placement.cell == saga.input["to"]:
        raise ConflictError(f"it is in {placement.cell} already", code="already_there")
    return _named(uow, saga)


def name_tier(tier: Tier, _: Context, uow: UnitOfWork, saga: Saga) -> Json:
    kept_from = tier_state(uow, ns_of(uow.now())).kept_from_ns
    return {**_named(uow, saga), "saga_id": str(saga.id), "kept_from_ns": {tier.value: kept_from[tier]}}


def name_tiers(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    kept_from = tier_state(uow, ns_of(uow.now())).kept_from_ns
    return {**_named(uow, saga), "kept_from_ns": {tier.value: kept_from[tier] for tier in Tier}}


def _named(uow: UnitOfWork, saga: Saga) -> dict[str, Json]:
    return {"organization_id": str(uow.organization_id), "from": saga.input["from"], "to": saga.input["to"]}


def name_both(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    return _named(uow, saga)


def begin(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    """Not while something is being erased: it could be copied after it was erased. Who begins to erase later waits."""
    status = lock_organization(uow)
    if status in {DELETING, PROVISIONING}:
        raise ConflictError(f"the organization is {status}", code=f"organization_{status}")
    if _is_being_erased(uow):
        raise NotYetError("waits for an erasure to end", _AGAIN)
    place(uow, saga.input["from"], also=saga.input["to"])


def stay(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    place(uow, saga.input["from"])


def settle(_: Context, uow: UnitOfWork, __: Saga) -> Json:
    left = placement_of(uow).settles_in(uow.now())
    if left > timedelta(0):
        raise NotYetError("waits until every process goes by the new placement", left)


def copy_tier(tools: SagaTools, intent: Json) -> Json:
    """An hour after the other, the oldest first. What this process has copied it need not compare again."""
    (journey,) = _journeys(tools, intent)
    hours = list(journey.hours(journey.source, tools.clock.now_ns()))
    key, begun_s = f"{intent['saga_id']} {journey.tier}", tools.clock.monotonic_s()
    for number, hour in enumerate(hours, 1):
        if hour <= tools.reached.get(key, hour - 1):
            continue
        copy_hour(journey, hour)
        tools.reached[key] = hour
        if tools.clock.monotonic_s() - begun_s > _TURN_S and number < len(hours):
            raise NotYetError(f"{number} of {len(hours)} hours", _AT_ONCE)
    tools.reached.pop(key, None)
    return {"hours": len(hours)}


def compare(tools: SagaTools, intent: Json) -> Json:
    counts: dict[str, int] = {}
    for journey in _journeys(tools, intent):
        differing = hours_that_differ(journey, tools.clock.now_ns())
        for hour in differing:
            copy_hour(journey, hour)
        if differing:
            raise NotYetError(f"{len(differing)} hours of {journey.tier} differ", _AGAIN)
        counts[journey.tier.value] = sum(journey.hours(journey.target, tools.clock.now_ns()).values())
    return counts


def switch(ctx: Context, uow: UnitOfWork, saga: Saga) -> Json:
    lock_organization(uow)
    place(uow, saga.input["to"], also=saga.input["from"])
    before, after = {"cell": saga.input["from"]}, {"cell": saga.input["to"]}
    record(ctx, uow, MOVED, "organization", str(uow.organization_id), before=before, after=after)


def leave(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    place(uow, saga.input["to"])


def empty(end: str, tools: SagaTools, intent: Json) -> Json:
    begun_s = tools.clock.monotonic_s()

    def is_in_time() -> bool:
        return tools.clock.monotonic_s() - begun_s < _IN_TIME_S

    if not is_emptied(tools.cells.of(intent[end]), _organization(intent), is_in_time):
        raise NotYetError("deleted, and something came late", _AGAIN)
    return {"left": 0}


def _journeys(tools: SagaTools, intent: Json) -> list[Journey]:
    source, target = tools.cells.of(intent["from"]), tools.cells.of(intent["to"])
    return [
        Journey(_organization(intent), source, target, Tier(tier), kept_from_ns)
        for tier, kept_from_ns in intent["kept_from_ns"].items()
    ]


def _organization(intent: Json) -> OrganizationId:
    return OrganizationId(UUID(intent["organization_id"]))


def _is_being_erased(uow: UnitOfWork) -> bool:
    """By a saga that is past its first step: until then it waits for this one."""
    same = (saga_steps.c.organization_id == sagas.c.organization_id) & (saga_steps.c.saga_id == sagas.c.id)
    wanted = (
        select(sagas.c.id)
        .join(saga_steps, same)
        .where(sagas.c.organization_id == uow.organization_id, sagas.c.kind.in_(_DESTROYERS))
        .where(sagas.c.ended_at.is_(None), saga_steps.c.seq == 0, saga_steps.c.state == StepState.DONE.value)
        .limit(1)
    )
    return uow.execute(wanted).first() is not None


def _copying(tier: Tier) -> PutStep:
    intend: Callable[[Context, UnitOfWork, Saga], Json] = partial(name_tier, tier)
    return PutStep(f"copy-{tier}", intend=intend, effect=copy_tier, undo_effect=nothing_to_undo, timeout=_LONG)


_EMPTY_NEW: Final = partial(empty, "to")
_EMPTY_OLD: Final = partial(empty, "from")

MOVE: Final = SagaDefinition(
    kind=KIND,
    version=1,
    steps=(
        PutStep("clear", intend=name_cells, effect=_EMPTY_NEW, undo_effect=_EMPTY_NEW, timeout=_LONG),
        # Undone, it waits until nobody writes to the new cell any more, which is then emptied.
        LocalStep("ready", run=settle, undo=settle),
        LocalStep(BEGIN, run=begin, undo=stay),
        LocalStep("settle", run=settle, undo=nothing_to_undo),
        # From the finest: a tier is rolled up anew, where it is dirty, from one that is whole.
        *map(_copying, Tier),
        PutStep("compare", intend=name_tiers, effect=compare, undo_effect=nothing_to_undo, timeout=_LONG),
        LocalStep("switch", run=switch),
        LocalStep("settle-questions", run=settle),
        LocalStep("leave", run=leave),
        LocalStep("settle-writes", run=settle),
        PutStep("empty-old", intend=name_both, effect=_EMPTY_OLD, timeout=_LONG),
    ),
    pivot="switch",
    deadline=timedelta(days=14),
)

"""A saga with steps of all kinds, and the stores beside PostgreSQL that it writes to."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import delete, insert

from scenario.saga_kills import SagaWorld
from strata_core.context import Context
from strata_core.new_ids import new_id
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.definitions import (
    Happened,
    LocalStep,
    NotHappened,
    OnceStep,
    PutStep,
    Resolution,
    Saga,
    SagaDefinition,
)
from strata_core.sagas.starting import start_saga
from strata_core.sagas.tools import SagaTools
from strata_datamodel.ids import SagaId
from strata_datamodel.tables.inventory import hosts

TOOLS = cast("SagaTools", None)  # the effects here reach nothing but the ledger beside them


@dataclass
class Ledger:
    """The stores beside PostgreSQL, as they stand."""

    objects: dict[str, object] = field(default_factory=dict)
    letters: Counter[str] = field(default_factory=Counter)

    def put(self, _: SagaTools, intent: dict[str, object]) -> dict[str, object]:
        assert self.objects.get(str(intent["key"]), intent) == intent, "a later attempt wrote something else"
        self.objects[str(intent["key"])] = intent
        return {"stored": intent["key"]}

    def drop(self, _: SagaTools, intent: dict[str, object]) -> None:
        self.objects.pop(str(intent["key"]), None)

    def send(self, _: SagaTools, intent: dict[str, object]) -> None:
        self.letters[str(intent["key"])] += 1

    def ask(self, _: SagaTools, intent: dict[str, object]) -> Resolution:
        return Happened() if self.letters[str(intent["key"])] else NotHappened()

    def definition(self) -> SagaDefinition:
        """All three kinds before the pivot, a pivot, and one after it."""
        return SagaDefinition(
            "all_kinds",
            1,
            (
                LocalStep("rows", run=add_host, undo=remove_host),
                PutStep("objects", intend=object_intent, effect=self.put, undo_effect=self.drop),
                OnceStep("letter", letter_intent, self.send, self.ask, undo_effect=lambda _, __: None),
                LocalStep("open", run=lambda _ctx, _uow, saga: {"opened": saga.outputs["objects"]["stored"]}),
                PutStep("marker", intend=marker_intent, effect=self.put),
            ),
            pivot="open",
            deadline=timedelta(days=1),
        )


def add_host(_: Context, uow: UnitOfWork, saga: Saga) -> dict[str, object]:
    host_id = new_id(uow)
    uow.execute(insert(hosts), {"organization_id": uow.organization_id, "id": host_id, "name": saga.input["name"]})
    return {"host_id": str(host_id)}


def remove_host(_: Context, uow: UnitOfWork, saga: Saga) -> None:
    uow.execute(delete(hosts).where(hosts.c.id == UUID(saga.outputs["rows"]["host_id"])))


def object_intent(_: Context, uow: UnitOfWork, saga: Saga) -> dict[str, object]:
    return {"key": saga.effect_key("objects"), "at": uow.now().isoformat(), "host": saga.outputs["rows"]["host_id"]}


def letter_intent(_: Context, __: UnitOfWork, saga: Saga) -> dict[str, object]:
    return {"key": saga.effect_key("letter")}


def marker_intent(_: Context, uow: UnitOfWork, saga: Saga) -> dict[str, object]:
    return {"key": saga.effect_key("marker"), "drawn": str(new_id(uow))}


def start(world: SagaWorld, ctx: Context, definition: SagaDefinition, **options: str) -> SagaId:
    with world.units.organization(ctx.organization_id) as uow:
        return start_saga(ctx, uow, definition, {"name": f"host-{new_id(uow)}"}, **options)


def hosts_of(world: SagaWorld, ctx: Context) -> int:
    return len(world.database.rows("SELECT 1 FROM hosts WHERE organization_id = %s", ctx.organization_id))

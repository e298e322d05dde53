"""A saga in the shape of a provisioning, made for being hurt, and what has to be true of it in the end.

Every effect can be counted from outside: rows in PostgreSQL, objects in the archive, calls of a provider on disk.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, text, update

from chaos.poison import happen
from fixtures.relational import Database
from strata_core.context import Context
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
from strata_datamodel.errors import StoreRefusedError
from strata_datamodel.ids import OrganizationId, SagaId
from strata_datamodel.tables.inventory import hosts

Json = Any
LOCAL_EFFECTS = 2
ONE_MORE = text(
    "UPDATE hosts SET metadata = jsonb_set(metadata, '{effects}', to_jsonb((metadata->>'effects')::int + 1))"
    " WHERE organization_id = :organization_id AND id = :id"
)


def refuse_here(saga: Saga, step: str) -> None:
    if saga.input.get("refused") == step:
        raise StoreRefusedError("chaos", "refused for good")


def reserve(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    row = {"organization_id": uow.organization_id, "id": saga.id, "name": f"chaos-{saga.id}"}
    uow.execute(insert(hosts), {**row, "metadata": {"effects": 1}})
    return {"name": row["name"]}


def release(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    uow.execute(delete(hosts).where(hosts.c.organization_id == uow.organization_id, hosts.c.id == saga.id))


def count(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    """Adds one: done twice it shows."""
    refuse_here(saga, "count")
    uow.execute(ONE_MORE, {"organization_id": uow.organization_id, "id": saga.id})


def open_up(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    mine = (hosts.c.organization_id == uow.organization_id, hosts.c.id == saga.id)
    uow.execute(update(hosts).where(*mine).values(status="up"))


def nothing(*_: object) -> None:
    """What was told cannot be untold."""


def object_of(name: str) -> Any:
    def intend(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
        refuse_here(saga, name)
        organization_id = str(saga.organization_id)
        poison = saga.input.get("poison", "")
        object_key = f"chaos/{saga.id}/{name}"
        return {
            "organization_id": organization_id, "key": object_key, "body": f"{name} at {uow.now()}", "poison": poison
        }  # fmt: skip

    return intend


def store(tools: SagaTools, intent: Json) -> Json:
    happen(intent["poison"])
    tools.archive.put(OrganizationId(UUID(intent["organization_id"])), intent["key"], intent["body"].encode())


def unstore(tools: SagaTools, intent: Json) -> None:
    tools.archive.delete(OrganizationId(UUID(intent["organization_id"])), intent["key"])


def call_intended(_: Context, __: UnitOfWork, saga: Saga) -> Json:
    refuse_here(saga, "tell")
    return {"key": saga.effect_key("tell"), "provider": saga.input["provider"]}


def tell(_: SagaTools, intent: Json) -> None:
    descriptor = os.open(intent["provider"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{intent['key']}\n".encode())
    os.fsync(descriptor)
    os.close(descriptor)


def was_told(_: SagaTools, intent: Json) -> Resolution:
    return Happened() if calls_of(Path(intent["provider"]))[intent["key"]] else NotHappened()


def calls_of(provider: Path) -> Counter[str]:
    return Counter(provider.read_text().splitlines()) if provider.exists() else Counter()


CHAOS = SagaDefinition(
    kind="chaos",
    version=1,
    steps=(
        LocalStep("reserve", run=reserve, undo=release),
        PutStep("store", intend=object_of("store"), effect=store, undo_effect=unstore),
        LocalStep("count", run=count, undo=nothing),
        OnceStep("tell", intend=call_intended, effect=tell, resolve=was_told, undo_effect=nothing),
        LocalStep("open", run=open_up),
        PutStep("publish", intend=object_of("publish"), effect=store),
    ),
    pivot="open",
    deadline=timedelta(days=1),
)
POINTS = [
    f"saga.chaos.{step.name}.{boundary}"
    for step in CHAOS.steps
    for boundary in ("before_intent", "after_intent", "after_effect", "after_confirm")
    if not (isinstance(step, LocalStep) and boundary == "after_intent")
]


@dataclass(frozen=True)
class Outside:
    """Where its effects are seen."""

    database: Database
    archive: Path
    provider: Path

    def start(self, ctx: Context, uow: UnitOfWork, **given: str) -> SagaId:
        return start_saga(ctx, uow, CHAOS, {"provider": str(self.provider), **given})

    def rows(self) -> list[dict[str, Any]]:
        return self.database.rows("SELECT * FROM sagas WHERE kind = 'chaos' ORDER BY id")

    def states(self) -> Counter[str]:
        return Counter(str(row["state"]) for row in self.rows())

    def is_whole(self) -> bool:
        """To be waited for: says what is amiss as long as something is."""
        assert self.breaches() == []
        return True

    def breaches(self) -> list[str]:
        """Of I9 (all ended), I2 (nothing doubled) and of "all or nothing"."""
        hosts_there = {
            row["id"]: row
            for row in self.database.rows("SELECT id, status, metadata FROM hosts WHERE name ~ '^chaos-'")
        }
        objects = Counter(path.parent.name for path in self.archive.rglob("chaos/*/*") if path.is_file())
        calls = calls_of(self.provider)
        found: list[str] = []
        for row in self.rows():
            host, told = hosts_there.get(row["id"]), calls[f"{row['id']}:tell"]
            found += _breaches_of(row, host, objects[str(row["id"])], told)
        return found


def _breaches_of(row: dict[str, Any], host: dict[str, Any] | None, objects: int, told: int) -> Iterator[str]:
    saga, state = row["id"], row["state"]
    if state == "done":
        effects = host["metadata"]["effects"] if host else 0
        if host is None or host["status"] != "up" or effects != LOCAL_EFFECTS:
            yield f"{saga} is done, and its host is {host}"
        if objects != 2:
            yield f"{saga} is done with {objects} of 2 objects"
        if told != 1:
            yield f"{saga} is done, and told {told} times"
    elif state == "compensated":
        if host is not None or objects:
            yield f"{saga} is undone, and left {host} and {objects} objects"
        if told > 1:
            yield f"{saga} is undone, and told {told} times"
    else:
        yield f"{saga} is {state}: {row['reason']}"

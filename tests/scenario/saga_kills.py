"""Kills a runner of sagas at every boundary of every step, in one process, and has another go on. For any definition:

for points in kill_plans(DEFINITION):
    saga_id = start(...)
    assert drive_to_end(world, DEFINITION, tools, saga_id, points) == "done"
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from fixtures.relational import Database
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.sagas.claiming import LEASE, claim_sagas
from strata_core.sagas.definitions import LocalStep, SagaDefinition, Step, catalogue
from strata_core.sagas.tools import SagaTools
from strata_datamodel.errors import StoreRefusedError
from strata_datamodel.ids import SagaId
from strata_stores.clock import ShiftedClock
from strata_workers.saga_driver import SagaDriver

FORWARD = ("before_intent", "after_intent", "after_effect", "after_confirm")
BACK = ("before_undo", "after_undo", "after_undo_confirm")
_ROUNDS = 400


class ProcessDied(BaseException):
    """What follows in the process does not happen."""


@dataclass
class KillPoints:
    """Dies at each of `names` the first time it is reached; remembers all that were."""

    names: frozenset[str] = frozenset()
    reached_names: list[str] = field(default_factory=list)
    spent: set[str] = field(default_factory=set)

    def reached(self, name: str) -> None:
        self.reached_names.append(name)
        if name in self.names - self.spent:
            self.spent.add(name)
            raise ProcessDied(name)


@dataclass(frozen=True)
class SagaWorld:
    units: SystemUnitsOfWork
    clock: ShiftedClock
    database: Database


def points_of(definition: SagaDefinition, boundaries: Sequence[str] = FORWARD) -> list[str]:
    return [
        f"saga.{definition.kind}.{step.name}.{boundary}"
        for step in definition.steps
        for boundary in boundaries
        if not (isinstance(step, LocalStep) and boundary == "after_intent")
    ]


def kill_plans(
    definition: SagaDefinition, boundaries: Sequence[str] = FORWARD, *, at_once: int = 1
) -> Iterator[frozenset[str]]:
    """No death, one at each boundary of each step, at each choice of up to `at_once` of them, and at all in one run."""
    points = points_of(definition, boundaries)
    for count in range(at_once + 1):
        yield from map(frozenset, itertools.combinations(points, count))
    yield frozenset(points)


def drive_to_end(
    world: SagaWorld,
    definition: SagaDefinition,
    tools: SagaTools,
    saga_id: SagaId,
    points: frozenset[str] = frozenset(),
) -> str:
    return drive_through(world, definition, tools, saga_id, KillPoints(points))


def drive_through(
    world: SagaWorld, definition: SagaDefinition, tools: SagaTools, saga_id: SagaId, faults: KillPoints
) -> str:
    """The state in which the saga came to rest: an end, or `parked`. Whatever waits is waited for by moving the clock;
    every death is followed by another runner. Other sagas that are due are driven along."""
    driver = SagaDriver(world.units, catalogue([definition]), tools, faults=faults)
    for _ in range(_ROUNDS):
        with world.units.system() as uow:
            claimed = claim_sagas(uow, "killed", limit=1)
        if not claimed:
            (row,) = world.database.rows("SELECT state, due_at FROM sagas WHERE id = %s", saga_id)
            if row["due_at"] is None:
                return str(row["state"])
            world.clock.advance(timedelta(seconds=30))
        for saga in claimed:
            try:
                driver.drive(saga)
            except ProcessDied:
                world.clock.advance(LEASE + timedelta(seconds=1))
    raise AssertionError(f"the saga did not come to rest in {_ROUNDS} rounds; points reached: {faults.reached_names}")


def refused_at(definition: SagaDefinition, name: str) -> SagaDefinition:
    """The same definition, with this step refused for good: all before it has to be undone."""

    def refuse(*_: object) -> object:
        raise StoreRefusedError("test", "refused for good")

    def changed(step: Step) -> Step:
        if step.name != name:
            return step
        if isinstance(step, LocalStep):
            return replace(step, run=refuse)
        return replace(step, effect=refuse)

    return replace(definition, steps=tuple(changed(step) for step in definition.steps))


def steps_of(world: SagaWorld, saga_id: SagaId) -> list[dict[str, object]]:
    return world.database.rows("SELECT * FROM saga_steps WHERE saga_id = %s ORDER BY seq", saga_id)


def saga_row(world: SagaWorld, saga_id: SagaId) -> dict[str, object]:
    (row,) = world.database.rows("SELECT * FROM sagas WHERE id = %s", saga_id)
    return row

"""How a saga is declared: as data, in one file of the feature that owns it.

    PROVISIONING = SagaDefinition(
        kind="organization_provisioning",
        version=1,
        steps=(
            LocalStep("reserve", run=reserve, undo=release),
            PutStep("create-indices", intend=name_indices, effect=create_indices, undo_effect=drop_indices),
            LocalStep("open", run=open_organization),
            OnceStep("greet", intend=write_greeting, effect=send_greeting, resolve=ask_whether_sent),
        ),
        pivot="open",
        deadline=timedelta(minutes=10),
    )

Steps run in order. Before the pivot a failure undoes what was done, last step first; from the pivot on there is only
forward. A change of the steps' names, kinds or order, or of what an intent means, is a new version, listed beside the
old one until no saga of that is left.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias

from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.tools import SagaTools
from strata_datamodel.errors import InvalidError
from strata_datamodel.ids import OrganizationId, SagaId
from strata_datamodel.limits import SAGA_STEPS

Json: TypeAlias = Any
"""What JSON can hold. An intent or output comes back as it was written, also in another process."""


class StepKind(StrEnum):
    LOCAL = "local"
    PUT = "put"
    ONCE = "once"


@dataclass(frozen=True, slots=True)
class Saga:
    """What a step knows of the saga it belongs to. `outputs` are those of the steps before, by name."""

    id: SagaId
    organization_id: OrganizationId
    kind: str
    version: int
    input: Mapping[str, Json]
    outputs: Mapping[str, Json]
    started_by: str

    def effect_key(self, step: str) -> str:
        """The same at every attempt: for receivers that recognise what they had."""
        return f"{self.id}:{step}"


@dataclass(frozen=True, slots=True)
class Happened:
    """The effect took place."""

    output: Json = None


@dataclass(frozen=True, slots=True)
class NotHappened:
    """The effect did not take place, or may safely take place again: it is tried again."""


@dataclass(frozen=True, slots=True)
class StillUnknown:
    """Nobody can tell yet: asked again later, and a person is told in the end."""

    reason: str


Resolution: TypeAlias = Happened | NotHappened | StillUnknown
Run: TypeAlias = Callable[[Context, UnitOfWork, Saga], Json]
Effect: TypeAlias = Callable[[SagaTools, Json], Json]
Resolve: TypeAlias = Callable[[SagaTools, Json], Resolution]

STEP_TIMEOUT: Final = timedelta(minutes=1)
STEP_ATTEMPTS: Final = 5


class NotYetError(Exception):
    """Raised by a step that has to wait for something: it is called again after `delay`, and nothing has failed."""

    def __init__(self, reason: str, delay: timedelta) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Returned by the `run` of a local step that did a part of its work: that is committed, and the step is called
    again after `delay`."""

    reason: str
    delay: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class LocalStep:
    """Effect and step are one transaction of PostgreSQL: exactly once. `run` gives the output, or Unfinished; `undo`
    may find the world changed by others since. Neither reaches any other store."""

    name: str
    run: Run
    undo: Run | None = None
    attempts: int = STEP_ATTEMPTS
    timeout: timedelta = STEP_TIMEOUT

    @property
    def kind(self) -> StepKind:
        return StepKind.LOCAL

    @property
    def has_undo(self) -> bool:
        return self.undo is not None


@dataclass(frozen=True, slots=True)
class PutStep:
    """An effect on another store that may happen any number of times with one result. `intend` says all that the
    effect depends on, and is committed before it; `effect` and `undo_effect` see nothing else. `undo_effect` must cope
    with an effect that never happened. Each is given up after `timeout`: what may last longer raises NotYetError and
    goes on at its next call."""

    name: str
    intend: Run
    effect: Effect
    undo_effect: Effect | None = None
    attempts: int = STEP_ATTEMPTS
    timeout: timedelta = STEP_TIMEOUT

    @property
    def kind(self) -> StepKind:
        return StepKind.PUT

    @property
    def has_undo(self) -> bool:
        return self.undo_effect is not None


@dataclass(frozen=True, slots=True)
class OnceStep:
    """An effect that must not happen twice for nothing, as a mail. When nobody knows whether it did (a crash, a
    time-out), the step is `unknown`, and `resolve` settles it before anything else happens. An effect that raises an
    error of the permanent kind (see `rules.failure_of`) says that it did not happen."""

    name: str
    intend: Run
    effect: Effect
    resolve: Resolve
    undo_effect: Effect | None = None
    attempts: int = STEP_ATTEMPTS
    timeout: timedelta = STEP_TIMEOUT

    @property
    def kind(self) -> StepKind:
        return StepKind.ONCE

    @property
    def has_undo(self) -> bool:
        return self.undo_effect is not None


Step: TypeAlias = LocalStep | PutStep | OnceStep


def nothing_to_undo(*_: object) -> None:
    """Stands where a step before the pivot leaves nothing behind: that is said, not forgotten."""


@dataclass(frozen=True, slots=True)
class SagaDefinition:
    """`pivot` names the step from which on there is no way back; None where all can be undone. Past `deadline` a saga
    before its pivot is undone; after it, people are told. `permissions` are what commands called by its steps find."""

    kind: str
    version: int
    steps: tuple[Step, ...]
    pivot: str | None
    deadline: timedelta
    permissions: frozenset[str] = field(default=frozenset())

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if not 1 <= len(names) <= SAGA_STEPS or len(set(names)) != len(names):
            raise InvalidError(f"{self.kind}: 1 to {SAGA_STEPS} steps, each with a name of its own", code="bad_saga")
        if self.pivot is not None and self.pivot not in names:
            raise InvalidError(f"{self.kind}: its pivot {self.pivot} is no step of it", code="bad_saga")
        lacking = [step.name for step in self.steps[: self.pivot_seq] if not step.has_undo]
        if lacking:
            raise InvalidError(
                f"{self.kind}: steps before the pivot need an undo: {', '.join(lacking)}",
                code="bad_saga",
                hint="say nothing_to_undo where there is nothing",
            )

    @property
    def pivot_seq(self) -> int | None:
        if self.pivot is None:
            return None
        return next(seq for seq, step in enumerate(self.steps) if step.name == self.pivot)


Catalogue: TypeAlias = Mapping[tuple[str, int], SagaDefinition]


def catalogue(definitions: Iterable[SagaDefinition]) -> Catalogue:
    """By kind and version; raises InvalidError (code `bad_saga`) for two that are called the same."""
    found: dict[tuple[str, int], SagaDefinition] = {}
    for definition in definitions:
        name = (definition.kind, definition.version)
        if name in found:
            raise InvalidError(f"{definition.kind} {definition.version} is declared twice", code="bad_saga")
        found[name] = definition
    return found

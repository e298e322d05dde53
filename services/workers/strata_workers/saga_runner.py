"""Takes up sagas that are due, as many as there is room for, and keeps their leases while their steps run."""

import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from strata_core.ports.clock import Clock
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.sagas.claiming import FIRST_ORGANIZATION, LEASE, claim_saga, claim_sagas, recall_known, renew_leases
from strata_core.sagas.definitions import SagaDefinition, catalogue
from strata_core.sagas.fault_points import NO_FAULTS, FaultPoints
from strata_core.sagas.progress import LeaseLostError, let_go
from strata_core.sagas.rules import SagaRecord
from strata_core.sagas.tools import SagaTools
from strata_datamodel.errors import UnavailableError
from strata_datamodel.ids import OrganizationId, SagaId
from strata_workers.lanes import Lanes
from strata_workers.saga_driver import SagaDriver

log = structlog.get_logger(__name__)
AT_ONCE: Final = 8
RENEWAL_PAUSE_S: Final = LEASE.total_seconds() / 3
_ROOM_WAIT_S: Final = 1.0
_CLOSE_ROUNDS: Final = 6
"""Of a renewal's pause each: 20 s in all."""
_LANE_CLOSE_S: Final = 0.1


@dataclass(slots=True)
class _Held:
    """`until_s`, on the monotonic clock, is when the step under way is given up: then nobody renews any more."""

    saga: SagaRecord
    until_s: float
    is_left: bool = False


class SagaRunner:
    def __init__(
        self,
        units: SystemUnitsOfWork,
        definitions: Iterable[SagaDefinition],
        tools: SagaTools,
        clock: Clock,
        registry: CollectorRegistry,
        *,
        name: str,
        faults: FaultPoints = NO_FAULTS,
        at_once: int = AT_ONCE,
    ) -> None:
        self._units = units
        self._catalogue = catalogue(definitions)
        self._clock = clock
        self._name = name
        self._at_once = at_once
        self._driver = SagaDriver(units, self._catalogue, tools, faults=faults, watch=self)
        self._lanes = Lanes(at_once, "saga")
        self._held: dict[tuple[SagaId, int], _Held] = {}
        self._suspected: deque[tuple[OrganizationId, SagaId]] = deque()
        self._changed = threading.Condition()
        self._after: OrganizationId = FIRST_ORGANIZATION
        self._is_draining = False
        self._steps = Counter(
            "strata_saga_steps", "Steps of sagas, by what came of them.", ["kind", "step", "outcome"], registry=registry
        )
        self._given_up = Gauge(
            "strata_saga_steps_hanging", "Steps past their time-out that have not returned.", registry=registry
        )

    def step(self) -> int:
        """Starts what is due, of every organization; returns how many. With all places taken it waits for one. Those
        that may have killed a process run first, one after the other, and nothing besides."""
        with self._changed:
            self._changed.wait_for(lambda: self._room() > 0, _ROOM_WAIT_S)
            room = self._room()
        if room <= 0:
            return 0
        claimed = self._claim_suspected() if self._suspected else self._without_suspected(self._claim(room))
        for saga in claimed:
            self.began(saga, LEASE)
        for number, saga in enumerate(claimed):
            try:
                self._lanes.submit(lambda saga=saga: self._drive(saga))  # type: ignore[misc]
            except RuntimeError:  # no thread can be had: their leases run out, and somebody finds them
                for left in claimed[number:]:
                    self._drop(left)
                raise
        return len(claimed) + len(self._suspected)

    def keep(self) -> int:
        """Renews the leases of what runs. Of a step past its time-out the lease runs out, so that another may go on;
        should it come back, its write finds a newer epoch."""
        now_s = self._clock.monotonic_s()
        with self._changed:
            for held in self._held.values():
                if not held.is_left and now_s >= held.until_s:
                    held.is_left = True
                    self._lanes.leave_behind(1)
                    self._given_up.inc()
                    log.warning("saga_step_hangs", saga=str(held.saga.id), kind=held.saga.kind)
            living = self._living()
            self._changed.notify_all()
        if living:
            with self._units.system() as uow:
                renew_leases(uow, [(saga.organization_id, saga.id, saga.epoch) for saga in living])
        return 0

    def recall(self) -> int:
        with self._units.system() as uow:
            return recall_known(uow, list(self._catalogue))

    def is_draining(self) -> bool:
        return self._is_draining

    def close(self) -> None:
        """Waits for the steps under way, and keeps their leases meanwhile. Their sagas are let go, and go on elsewhere;
        those that hang are found when their leases are over."""
        self._is_draining = True
        for _ in range(_CLOSE_ROUNDS):
            with suppress(UnavailableError):
                self.keep()
            with self._changed:
                if self._changed.wait_for(lambda: not self._living(), RENEWAL_PAUSE_S):
                    break
        self._lanes.close(_LANE_CLOSE_S)

    def began(self, saga: SagaRecord, timeout: timedelta) -> None:
        until_s = self._clock.monotonic_s() + timeout.total_seconds()
        with self._changed:
            held = self._held.get((saga.id, saga.epoch))
            if held is None:
                self._held[(saga.id, saga.epoch)] = _Held(saga, until_s)
            else:
                held.until_s = until_s

    def came_to(self, saga: SagaRecord, step: str, outcome: str) -> None:
        self._steps.labels(saga.kind, step, outcome).inc()

    def _living(self) -> list[SagaRecord]:
        return [held.saga for held in self._held.values() if not held.is_left]

    def _room(self) -> int:
        living = self._living()
        if self._suspected or any(saga.is_suspected for saga in living):
            return 0 if living else 1
        return self._at_once - len(living)

    def _claim_suspected(self) -> list[SagaRecord]:
        organization_id, saga_id = self._suspected.popleft()
        with self._units.system() as uow:
            return claim_saga(uow, self._name, organization_id, saga_id)

    def _without_suspected(self, claimed: list[SagaRecord]) -> list[SagaRecord]:
        """Those are given back before anything runs, to be claimed alone."""
        for saga in claimed:
            if saga.is_suspected:
                with suppress(LeaseLostError), self._units.organization(saga.organization_id) as uow:
                    let_go(uow, saga)
                self._suspected.append((saga.organization_id, saga.id))
        return [saga for saga in claimed if not saga.is_suspected]

    def _claim(self, room: int) -> list[SagaRecord]:
        """From where the last claim left off, and then once more from the first organization."""
        with self._units.system() as uow:
            claimed = last = claim_sagas(uow, self._name, limit=room, after=self._after)
            if len(claimed) < room and self._after != FIRST_ORGANIZATION:
                last = claim_sagas(uow, self._name, limit=room - len(claimed))
                claimed = [*claimed, *last]
        self._after = max((saga.organization_id for saga in last or claimed), default=FIRST_ORGANIZATION)
        return claimed

    def _drive(self, saga: SagaRecord) -> None:
        try:
            self._driver.drive(saga)
        except UnavailableError as error:
            log.warning("saga_waits_for_store", saga=str(saga.id), kind=saga.kind, reason=error.detail)
        except Exception:
            # Its lease runs out, and its claims are counted.
            log.exception("saga_failed", saga=str(saga.id), kind=saga.kind)
        finally:
            self._drop(saga)

    def _drop(self, saga: SagaRecord) -> None:
        with self._changed:
            held = self._held.pop((saga.id, saga.epoch))
            if held.is_left:
                self._lanes.leave_behind(-1)
                self._given_up.dec()
            self._changed.notify_all()

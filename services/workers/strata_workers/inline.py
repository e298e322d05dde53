"""Runs a saga in a process that is no worker: for a command that waits for it, where no worker may be running."""

import threading
from typing import Final

from strata_core.ports.clock import Clock
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.sagas.claiming import claim_saga
from strata_core.sagas.definitions import catalogue
from strata_core.sagas.queries import ended_state
from strata_core.sagas.rules import SagaState
from strata_core.sagas.tools import SagaTools
from strata_datamodel.ids import OrganizationId, SagaId
from strata_workers.saga_definitions import SAGAS
from strata_workers.saga_driver import SagaDriver

_PAUSE_S: Final = 0.1


def await_saga(
    units: SystemUnitsOfWork,
    organization_id: OrganizationId,
    saga_id: SagaId,
    tools: SagaTools | None,
    clock: Clock,
    *,
    timeout_s: float,
) -> SagaState | None:
    """The state it ended in, None when the time is over before. With tools it is run here, unless a worker claims it
    first; without, workers have to."""
    driver = None if tools is None else SagaDriver(units, catalogue(SAGAS), tools)
    until_s, pause = clock.monotonic_s() + timeout_s, threading.Event()
    while clock.monotonic_s() < until_s:
        if driver is not None:
            with units.system() as uow:
                claimed = claim_saga(uow, "command line", organization_id, saga_id)
            for saga in claimed:
                driver.drive(saga)
        with units.organization(organization_id) as uow:
            state = ended_state(uow, saga_id)
        if state is not None:
            return state
        pause.wait(_PAUSE_S)
    return None

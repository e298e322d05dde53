"""What processes that are no workers say of the workers."""

from collections.abc import Callable

from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.rollups.queries import rollup_figures
from strata_core.worker_fleet.queries import worker_rows
from strata_core.worker_fleet.rules import fleet_health
from strata_datamodel.errors import UnavailableError
from strata_datamodel.health import StoreHealth
from strata_workers.rollup_figures import rollup_health


def fleet_of(units: UnitsOfWork) -> Callable[[], list[StoreHealth]]:
    """Nothing while the database is down, which is told of by itself."""

    def check() -> list[StoreHealth]:
        try:
            with units.credential("health") as uow:
                # Of what is dirty only workers see anything: it is organizations'.
                return [*fleet_health(worker_rows(uow), uow.now()), rollup_health(rollup_figures(uow), uow.now())]
        except UnavailableError:
            return []

    return check

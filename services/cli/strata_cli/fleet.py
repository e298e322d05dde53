"""What processes that are no workers say of the workers."""

from collections.abc import Callable

from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.worker_fleet.queries import worker_rows
from strata_core.worker_fleet.rules import fleet_health
from strata_datamodel.errors import UnavailableError
from strata_datamodel.health import StoreHealth


def fleet_of(units: UnitsOfWork) -> Callable[[], list[StoreHealth]]:
    """Nothing while the database is down, which is told of by itself."""

    def check() -> list[StoreHealth]:
        try:
            with units.credential("health") as uow:
                return fleet_health(worker_rows(uow), uow.now())
        except UnavailableError:
            return []

    return check

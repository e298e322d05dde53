"""Keeps the rows of servers: weeks made and dropped, hours and days summed up, regions made anew."""

from uuid import UUID

from strata_core.access_log.commands import organizations_to_prune
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.server_metrics.commands import keep_parts
from strata_core.server_metrics.rolling import forget_old, organizations_marked, roll_up
from strata_core.server_metrics.summaries import organization_to_refresh, start_refresh

ORGANIZATIONS_PER_PASS = 200


class ServerMetricsKeeper:
    def __init__(self, units: SystemUnitsOfWork) -> None:
        self._units = units

    def step(self) -> int:
        """How many hours were summed up. The loop comes back at once while there are any."""
        with self._units.system() as uow:
            keep_parts(uow)
        with self._units.system() as uow:
            marked = organizations_marked(uow, ORGANIZATIONS_PER_PASS)
        rolled = 0
        for organization_id in marked:
            with self._units.organization(organization_id) as uow:
                rolled += roll_up(uow)
        if not rolled:
            self._refresh()
        return rolled

    def forget(self) -> int:
        """How many hours and days of organizations went."""
        gone, last = 0, UUID(int=0)
        while True:
            with self._units.system() as uow:
                page = organizations_to_prune(uow, last, ORGANIZATIONS_PER_PASS)
            for organization_id, _ in page:
                with self._units.organization(organization_id) as uow:
                    gone += forget_old(uow)
            if len(page) < ORGANIZATIONS_PER_PASS:
                return gone
            last = page[-1][0]

    def _refresh(self) -> None:
        with self._units.system() as uow:
            organization_id = organization_to_refresh(uow)
        if organization_id is not None:
            with self._units.organization(organization_id) as uow:
                start_refresh(uow)

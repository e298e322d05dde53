"""Forgets reads once they are older than their organization wants them kept."""

from uuid import UUID

from strata_core.access_log.commands import organizations_to_prune, prune_reads
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork

ORGANIZATIONS_PER_PAGE = 200


class ReadPruner:
    def __init__(self, units: SystemUnitsOfWork) -> None:
        self._units = units

    def step(self) -> int:
        """A batch of each organization; how many reads were forgotten. The loop comes back at once while there are."""
        pruned, last = 0, UUID(int=0)
        while True:
            with self._units.system() as uow:
                page = organizations_to_prune(uow, last, ORGANIZATIONS_PER_PAGE)
            for organization_id, settings in page:
                with self._units.organization(organization_id) as uow:
                    pruned += prune_reads(uow, organization_id, settings)
            if len(page) < ORGANIZATIONS_PER_PAGE:
                return pruned
            last = page[-1][0]

"""The trial of the saga that makes the days of regions anew."""

from dataclasses import dataclass

from sqlalchemy import insert

from chaos.saga_trials import Tried
from factories.all_kinds_saga import TOOLS
from fixtures.relational import TwoOrganizations
from scenario.saga_kills import SagaWorld
from strata_core.new_ids import new_id
from strata_core.sagas.definitions import SagaDefinition
from strata_core.sagas.tools import SagaTools
from strata_core.server_metrics.summaries import SERVER_SUMMARIES, start_refresh
from strata_datamodel.server_metrics import LEVELS
from strata_datamodel.tables.inventory import hosts
from strata_datamodel.tables.server_metrics import server_metrics_daily


@dataclass
class SummariesTrial:
    world: SagaWorld
    organizations: TwoOrganizations
    tools: SagaTools = TOOLS
    definition: SagaDefinition = SERVER_SUMMARIES
    done_from_the_start: frozenset[str] = frozenset()

    def begin(self) -> Tried:
        """In the first organization, for a new host of the second."""
        with self.world.units.organization(self.organizations.second) as uow:
            ids = {"organization_id": uow.organization_id, "id": new_id(uow)}
            uow.execute(insert(hosts), {**ids, "name": str(ids["id"])})
            counts = dict.fromkeys(["samples", "errors", *(f"{name}_samples" for name in LEVELS)], 0)
            row = {"organization_id": ids["organization_id"], "server_id": ids["id"], "day": uow.now().date()}
            uow.execute(insert(server_metrics_daily), row | counts)
        with self.world.units.organization(self.organizations.first) as uow:
            saga_id = start_refresh(uow)
        before = self._held()

        def is_made_anew() -> None:
            days = "SELECT count(*) AS n FROM server_metrics_daily WHERE organization_id = %s"
            (found,) = self.world.database.rows(days, self.organizations.second)
            assert self._held() == found["n"]

        def is_as_it_was() -> None:
            assert self._held() == before

        return Tried(saga_id, is_made_anew, is_as_it_was)

    def _held(self) -> object:
        held = "SELECT sum(servers) AS n FROM server_region_days_held WHERE organization_id = %s"
        return self.world.database.rows(held, self.organizations.second)[0]["n"]

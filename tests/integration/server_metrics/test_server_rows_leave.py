"""What is deleted or erased leaves the rows of servers, and what was summed up of them, too."""

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from fixtures.relational import Database, TwoOrganizations
from strata_core.erasures.relational import count_rows, forget_rows
from strata_core.erasures.rules import ErasureKind, Selector
from strata_core.organizations import belongings
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.ids import SagaId, uuid7
from strata_datamodel.server_metrics import LEVELS
from strata_datamodel.tables.all import error_logs, hosts, server_metrics, server_metrics_daily

pytestmark = pytest.mark.usefixtures("second_unmoved")
NEW = uuid7(1_800_000_000_000)


@pytest.fixture
def errors_of_two_hosts(system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations) -> TwoOrganizations:
    with system_units.system() as uow:
        uow.execute(select(func.app.keep_server_parts(timedelta(days=35))))
    first = two_organizations.first
    with system_units.organization(first) as uow:
        for number, name in enumerate(("a", "b")):
            row = {"organization_id": first, "server_id": uuid7(number), "timestamp": uow.now()}
            uow.execute(insert(hosts), {"organization_id": first, "id": row["server_id"], "name": name})
            uow.execute(insert(server_metrics), row)
            for place, message in enumerate(("disk full", "no rights for Ada@Acme.test", "tenant 4711 is late")):
                error = {**row, "id": uuid7(place), "level": "error", "service": "billing", "message": message}
                uow.execute(insert(error_logs), error)
            counts = dict.fromkeys(["samples", "errors", *(f"{part}_samples" for part in LEVELS)], 0)
            day = {"organization_id": first, "server_id": row["server_id"], "day": uow.now().date()}
            uow.execute(insert(server_metrics_daily), day | counts)
        uow.execute(select(func.app.refresh_server_summaries()))
    return two_organizations


@pytest.mark.parametrize(
    ("selector", "errors", "left"),
    [
        (Selector(ErasureKind.HOST, value="a"), 3, 3),
        (Selector(ErasureKind.PERSON, identifiers=("ada@acme.test",)), 2, 4),
        (Selector(ErasureKind.LABEL, key="tenant", value="4711"), 2, 4),
        (Selector(ErasureKind.LABEL, key="service_id", value="billing"), 6, 0),
        (Selector(ErasureKind.PERSON, user_id=None, identifiers=("nobody@acme.test",)), 0, 6),
    ],
)
def test_an_erasure_looks_into_errors(
    errors_of_two_hosts: TwoOrganizations, system_units: SystemUnitsOfWork, selector: Selector, errors: int, left: int
) -> None:
    with system_units.organization(errors_of_two_hosts.first) as uow:
        assert count_rows(uow, selector, []).get("error_logs", 0) == errors
        forget_rows(uow, NEW, selector, [])
        assert uow.execute(select(func.count()).select_from(error_logs)).scalar_one() == left
        assert "error_logs" not in count_rows(uow, selector, [])


def test_of_a_deleted_organization_no_region_is_left_in_the_view_either(
    errors_of_two_hosts: TwoOrganizations, system_units: SystemUnitsOfWork, database: Database
) -> None:
    first = errors_of_two_hosts.first
    held = "SELECT count(*) AS n FROM server_region_days_held WHERE organization_id = %s"
    assert database.rows(held, first) == [{"n": 1}]
    with system_units.organization(first) as uow:
        assert belongings.count_rows(uow)["server_region_days"] == 1
        while belongings.delete_bite(uow, SagaId(NEW)):
            pass
        assert belongings.count_rows(uow) == {}
    assert database.rows(held, first) == [{"n": 0}]

"""Reads are kept as long as their organization wants, and no longer."""

from datetime import timedelta

from sqlalchemy import insert, update

from fixtures.relational import Database, TwoOrganizations
from strata_core.access_log.rules import retention_days
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.audit import user_access_logs
from strata_datamodel.tables.organizations import organizations
from strata_workers.read_pruner import ReadPruner

AGES = (1, 29, 31, 89, 91)


def test_each_organization_keeps_its_reads_for_its_own_time(
    system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations, database: Database
) -> None:
    for organization_id in (two_organizations.first, two_organizations.second):
        write(system_units, organization_id)
    with system_units.organization(two_organizations.first) as uow:
        uow.execute(update(organizations).values(settings={"access_log_retention_days": 30}))
    pruner = ReadPruner(system_units)
    assert pruner.step() == 4
    assert pruner.step() == 0
    assert ages(database, two_organizations.first) == [1, 29]
    assert ages(database, two_organizations.second) == [1, 29, 31, 89]


def test_a_setting_that_is_no_number_of_days_is_as_if_not_there() -> None:
    for nonsense in ("30", 0, -1, True, 1.5, None, 10**9, [30]):
        assert retention_days({"access_log_retention_days": nonsense}) == 90
    assert retention_days({}) == 90
    assert retention_days({"access_log_retention_days": 7}) == 7


def write(units: SystemUnitsOfWork, organization_id: OrganizationId) -> None:
    with units.organization(organization_id) as uow:
        for days in AGES:
            row = {"actor_kind": "user", "actor_label": str(days), "operation": "x", "purpose": "query"}
            at = uow.now() - timedelta(days=days)
            uow.execute(insert(user_access_logs), {"organization_id": organization_id, "at": at, **row})


def ages(database: Database, organization_id: OrganizationId) -> list[int]:
    query = "SELECT actor_label FROM user_access_logs WHERE organization_id = %s"
    return sorted(int(str(row["actor_label"])) for row in database.rows(query, organization_id))

"""What members and keys were allowed before roles became rows, they are after, and never more on the way back."""

from sqlalchemy import insert

from fixtures.relational import Database, TwoOrganizations
from strata_core.access.permissions import Role
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.ids import uuid7
from strata_datamodel.tables.access import api_keys, service_accounts
from strata_datamodel.tables.organizations import memberships
from strata_datamodel.tables.users import users
from strata_stores.postgres.migrating import downgrade, upgrade

BEFORE = "0004"
HELD = "SELECT user_id, role FROM memberships ORDER BY role"


def test_the_roles_of_members_stay_and_what_only_roles_gave_goes_back_with_them(
    own_database: Database, two_organizations: TwoOrganizations, system_units: SystemUnitsOfWork
) -> None:
    organization_id = two_organizations.first
    account = {"organization_id": organization_id, "id": uuid7(1), "name": "ci"}
    with system_units.system() as uow:
        for role in (*Role, "custom"):
            user_id = uuid7(1)
            uow.execute(insert(users), {"id": user_id, "email": f"{user_id}@example.test"})
            ids = {"organization_id": organization_id, "id": uuid7(1), "user_id": user_id}
            uow.execute(insert(memberships), {**ids, "role": str(role)})
        uow.execute(insert(service_accounts), account)
        for name, owner in (("account's", account["id"]), ("organization's", None)):
            ids = {"organization_id": organization_id, "id": uuid7(1), "key_id": name, "secret_hash": b"h"}
            uow.execute(insert(api_keys), {**ids, "name": name, "scopes": ["admin"], "service_account_id": owner})
    held = own_database.rows(HELD)
    kept = [row for row in held if row["role"] != "custom"]
    downgrade(own_database.admin_url, BEFORE)
    assert own_database.rows(HELD) == kept
    assert own_database.rows("SELECT name FROM api_keys") == [{"name": "organization's"}]
    upgrade(own_database.admin_url)
    assert own_database.rows(HELD) == kept
    assert own_database.rows("SELECT name, service_account_id FROM api_keys") == [
        {"name": "organization's", "service_account_id": None}
    ]

"""Every column that holds sealed values for longer than a day. A test keeps the list complete."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Table, true

from strata_core.ports.secret_box import SecretPlace
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.audit import user_access_logs
from strata_datamodel.tables.identity import identity_providers
from strata_datamodel.tables.notifying import webhooks
from strata_datamodel.tables.sign_in import totp_secrets


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """`row_id` names the column whose value the ciphertext is bound to."""

    table: Table
    column: str
    row_id: str = "id"

    @property
    def name(self) -> str:
        return f"{self.table.name}.{self.column}"

    def of(self, organization_id: OrganizationId) -> ColumnElement[bool]:
        return self.table.c.organization_id == organization_id if "organization_id" in self.table.c else true()

    def place(self, organization_id: OrganizationId, row_id: object) -> SecretPlace:
        return SecretPlace(organization_id, self.table.name, self.column, row_id)  # type: ignore[arg-type]


OF_ORGANIZATIONS: Final = (
    SealedColumn(webhooks, "secret_sealed"),
    SealedColumn(identity_providers, "client_secret_sealed"),
    SealedColumn(user_access_logs, "address_sealed"),
)
OF_PEOPLE: Final = (SealedColumn(totp_secrets, "secret_sealed", "user_id"),)
"""Under the key of PEOPLE, in tables that belong to no organization."""

"""Every column that holds sealed values for longer than a day. A test keeps the list complete."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, true

from strata_core.people.legacy import secrets_place
from strata_core.ports.secret_box import SecretPlace
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.audit import user_access_logs
from strata_datamodel.tables.identity import identity_providers
from strata_datamodel.tables.notifying import webhooks
from strata_datamodel.tables.people import legacy_users
from strata_datamodel.tables.sign_in import totp_secrets

PlaceOf = Callable[..., SecretPlace]


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """`key` names the columns that a row is found by, within its organization. The ciphertext is bound to the value of
    the only one, or to what `place_of` makes of them."""

    table: Table
    column: str
    key: tuple[str, ...] = ("id",)
    place_of: PlaceOf | None = None

    @property
    def name(self) -> str:
        return f"{self.table.name}.{self.column}"

    def of(self, organization_id: OrganizationId) -> ColumnElement[bool]:
        return self.table.c.organization_id == organization_id if "organization_id" in self.table.c else true()

    def place(self, organization_id: OrganizationId, key: Sequence[Any]) -> SecretPlace:
        if self.place_of is not None:
            return self.place_of(organization_id, *key)
        (row_id,) = key
        return SecretPlace(organization_id, self.table.name, self.column, row_id)


OF_ORGANIZATIONS: Final = (
    SealedColumn(webhooks, "secret_sealed"),
    SealedColumn(identity_providers, "client_secret_sealed"),
    SealedColumn(user_access_logs, "address_sealed"),
    SealedColumn(legacy_users, "secrets_sealed", ("source", "legacy_id"), secrets_place),
)
OF_PEOPLE: Final = (SealedColumn(totp_secrets, "secret_sealed", ("user_id",)),)
"""Under the key of PEOPLE, in tables that belong to no organization."""

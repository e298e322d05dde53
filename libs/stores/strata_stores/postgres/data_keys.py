"""Wrapped data keys in PostgreSQL."""

from typing import Final

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert

from strata_core.ports.data_keys import INDEX_KEY_VERSION, WrappedKey
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.secrets import data_keys
from strata_stores.postgres.connecting import STORE

_COLUMNS: Final = (
    data_keys.c.organization_id,
    data_keys.c.version,
    data_keys.c.wrapped,
    data_keys.c.wrapping_key_id,
)


class PostgresDataKeys:
    """Each call is a transaction of its own, as the port asks. For `add` the organization must be committed."""

    def __init__(self, units: UnitsOfWork) -> None:
        self._units = units

    def current(self, organization_id: OrganizationId) -> WrappedKey | None:
        newest = _keys_of(organization_id).where(
            data_keys.c.version > INDEX_KEY_VERSION, data_keys.c.retired_at.is_(None)
        )
        return self._first(organization_id, newest.order_by(data_keys.c.version.desc()).limit(1))

    def get(self, organization_id: OrganizationId, version: int) -> WrappedKey | None:
        return self._first(organization_id, _keys_of(organization_id).where(data_keys.c.version == version))

    def add(self, organization_id: OrganizationId, version: int, wrapped: bytes, wrapping_key_id: str) -> WrappedKey:
        values = {
            "organization_id": organization_id,
            "version": version,
            "wrapped": wrapped,
            "wrapping_key_id": wrapping_key_id,
        }
        with self._units.organization(organization_id) as uow:
            uow.execute(insert(data_keys).values(values).on_conflict_do_nothing())  # waits for a racing writer
        standing = self.get(organization_id, version)
        if standing is None:
            raise StoreUnavailableError(STORE, "a data key that was added is not there")
        return standing

    def _first(self, organization_id: OrganizationId, wanted: Select[*tuple[object, ...]]) -> WrappedKey | None:
        with self._units.organization(organization_id) as uow:
            row = uow.execute(wanted).mappings().one_or_none()
        return None if row is None else WrappedKey(**row)


def _keys_of(organization_id: OrganizationId) -> Select[*tuple[object, ...]]:
    return select(*_COLUMNS).where(data_keys.c.organization_id == organization_id)

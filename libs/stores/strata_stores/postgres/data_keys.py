"""Wrapped data keys in PostgreSQL."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Select, func, select, update
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

    def standing(self, organization_id: OrganizationId) -> Sequence[WrappedKey]:
        return self._all(organization_id, _keys_of(organization_id).where(data_keys.c.retired_at.is_(None)))

    def every(self, organization_id: OrganizationId) -> Sequence[WrappedKey]:
        return self._all(organization_id, _keys_of(organization_id))

    def replace(self, old: WrappedKey, wrapped: bytes, wrapping_key_id: str) -> bool:
        here = (
            data_keys.c.organization_id == old.organization_id,
            data_keys.c.version == old.version,
            data_keys.c.wrapped == old.wrapped,
        )
        change = update(data_keys).where(*here).values(wrapped=wrapped, wrapping_key_id=wrapping_key_id)
        with self._units.organization(old.organization_id) as uow:
            return uow.execute(change).rowcount == 1

    def retire(self, organization_id: OrganizationId, before_version: int) -> int:
        here = (
            data_keys.c.organization_id == organization_id,
            data_keys.c.version > INDEX_KEY_VERSION,
            data_keys.c.version < before_version,
            data_keys.c.retired_at.is_(None),
        )
        with self._units.organization(organization_id) as uow:
            return uow.execute(update(data_keys).where(*here).values(retired_at=func.app.now())).rowcount

    def _all(self, organization_id: OrganizationId, wanted: Select[*tuple[object, ...]]) -> list[WrappedKey]:
        with self._units.organization(organization_id) as uow:
            return [WrappedKey(**row) for row in uow.execute(wanted.order_by(data_keys.c.version)).mappings()]

    def _first(self, organization_id: OrganizationId, wanted: Select[*tuple[object, ...]]) -> WrappedKey | None:
        with self._units.organization(organization_id) as uow:
            row = uow.execute(wanted).mappings().one_or_none()
        return None if row is None else WrappedKey(**row)


def _keys_of(organization_id: OrganizationId) -> Select[*tuple[object, ...]]:
    return select(*_COLUMNS).where(data_keys.c.organization_id == organization_id)

"""Wrapped data keys in a dictionary; counts its look-ups."""

import threading

from strata_core.ports.data_keys import WrappedKey
from strata_datamodel.ids import OrganizationId


class MemoryDataKeys:
    def __init__(self) -> None:
        self.rows: dict[tuple[OrganizationId, int], WrappedKey] = {}
        self.look_ups = 0
        self._lock = threading.Lock()

    def current(self, organization_id: OrganizationId) -> WrappedKey | None:
        self.look_ups += 1
        with self._lock:
            own = [row for (owner, version), row in self.rows.items() if owner == organization_id and version >= 1]
        return max(own, key=lambda row: row.version, default=None)

    def get(self, organization_id: OrganizationId, version: int) -> WrappedKey | None:
        self.look_ups += 1
        return self.rows.get((organization_id, version))

    def add(self, organization_id: OrganizationId, version: int, wrapped: bytes, wrapping_key_id: str) -> WrappedKey:
        with self._lock:
            return self.rows.setdefault(
                (organization_id, version), WrappedKey(organization_id, version, wrapped, wrapping_key_id)
            )

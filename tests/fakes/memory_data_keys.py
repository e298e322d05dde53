"""Wrapped data keys in a dictionary; counts its look-ups."""

import threading
from collections.abc import Sequence

from strata_core.ports.data_keys import WrappedKey
from strata_datamodel.ids import OrganizationId


class MemoryDataKeys:
    def __init__(self) -> None:
        self.rows: dict[tuple[OrganizationId, int], WrappedKey] = {}
        self.retired: set[tuple[OrganizationId, int]] = set()
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

    def standing(self, organization_id: OrganizationId) -> Sequence[WrappedKey]:
        return [row for row in self.every(organization_id) if (organization_id, row.version) not in self.retired]

    def every(self, organization_id: OrganizationId) -> Sequence[WrappedKey]:
        with self._lock:
            own = [row for row in self.rows.values() if row.organization_id == organization_id]
        return sorted(own, key=lambda row: row.version)

    def replace(self, old: WrappedKey, wrapped: bytes, wrapping_key_id: str) -> bool:
        with self._lock:
            place = (old.organization_id, old.version)
            if self.rows.get(place) != old:
                return False
            self.rows[place] = WrappedKey(*place, wrapped, wrapping_key_id)
            return True

    def retire(self, organization_id: OrganizationId, before_version: int) -> int:
        with self._lock:
            old = {place for place in self.rows if place[0] == organization_id and 1 <= place[1] < before_version}
            retired = len(old - self.retired)
            self.retired |= old
            return retired

"""A cache that is always empty."""

from strata_core.ports.cache import Entry, Found
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId

_NOTHING = Found(None, None)


class NullCache:
    def get(self, organization_id: OrganizationId, kind: str, key: str) -> Found:
        return _NOTHING

    def put(
        self, organization_id: OrganizationId, kind: str, key: str, entry: Entry, *, generation: bytes, kept_ms: int
    ) -> bool:
        return False

    def invalidate(self, organization_id: OrganizationId, kind: str) -> bool:
        return True

    def lock(self, organization_id: OrganizationId, kind: str, key: str, token: bytes, hold_ms: int) -> bool:
        return True

    def unlock(self, organization_id: OrganizationId, kind: str, key: str, token: bytes) -> None:
        """Everybody holds it."""

    def forget(self, organization_id: OrganizationId) -> int:
        return 0

    def health(self) -> StoreHealth:
        return StoreHealth("redis", is_ready=True, detail="off")

    def close(self) -> None:
        """Nothing is open."""

"""A cache that is always empty."""

from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId


class NullCache:
    def get(self, organization_id: OrganizationId, kind: str, key: str) -> bytes | None:
        return None

    def put(self, organization_id: OrganizationId, kind: str, key: str, value: bytes, ttl_s: int) -> None:
        """Nothing is kept."""

    def invalidate(self, organization_id: OrganizationId, kind: str) -> None:
        """There is nothing to forget."""

    def health(self) -> StoreHealth:
        return StoreHealth("redis", is_ready=True, detail="off")

    def close(self) -> None:
        """Nothing is open."""

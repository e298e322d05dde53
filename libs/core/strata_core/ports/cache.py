"""A cache that may vanish at any moment."""

from typing import Protocol

from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId


class Cache(Protocol):
    """Fails open: a cache that is down or slow behaves as empty and counts it, and nothing here raises.

    Every stored key begins with the organization's id. Entries live under a generation per (organization, kind):
    invalidating a kind makes all its entries unreachable at once.
    """

    def get(self, organization_id: OrganizationId, kind: str, key: str) -> bytes | None: ...

    def put(self, organization_id: OrganizationId, kind: str, key: str, value: bytes, ttl_s: int) -> None: ...

    def invalidate(self, organization_id: OrganizationId, kind: str) -> None:
        """No later `get` sees an entry put before this."""
        ...

    def health(self) -> StoreHealth: ...

    def close(self) -> None: ...

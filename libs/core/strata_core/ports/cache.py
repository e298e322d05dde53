"""A cache that all processes share, and that may vanish at any moment."""

from dataclasses import dataclass
from typing import Final, Protocol

from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId

VERSION_MAX: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer as it was made: `made_at_ms` when its origin was asked, `fresh_ms` for how long it counts as new,
    `cost_ms` what making it took. `version` rises with what it was made from, up to VERSION_MAX."""

    body: bytes
    version: int
    made_at_ms: int
    fresh_ms: int
    cost_ms: int


@dataclass(frozen=True, slots=True)
class Found:
    """`generation` is that of the moment, to be handed to `put`; None when the cache cannot tell it."""

    generation: bytes | None
    entry: Entry | None


class Cache(Protocol):
    """Fails open: a cache that is down, slow or loading behaves as empty and counts it, and nothing here raises.

    Every stored key begins with the organization's id and ends by itself. Entries live under a generation per
    (organization, kind), and a generation under one life of the server: what a server that was restarted, restored or
    replaced still holds is not found again, since it may have missed invalidations.
    """

    def get(self, organization_id: OrganizationId, kind: str, key: str) -> Found: ...

    def put(
        self, organization_id: OrganizationId, kind: str, key: str, entry: Entry, *, generation: bytes, kept_ms: int
    ) -> bool:
        """False when it was not kept: the kind was invalidated since `generation` was told, an entry of a higher
        version is there, or the cache is down. Whoever takes the generation first, asks the origin then and puts last
        can so never overtake a write that invalidates after its commit."""
        ...

    def invalidate(self, organization_id: OrganizationId, kind: str) -> bool:
        """No later `get` finds an entry put before this. One that meets a server that is down is made up for by this
        process before anything else is asked of it, and False until then: others may still find what they have put."""
        ...

    def lock(self, organization_id: OrganizationId, kind: str, key: str, token: bytes, hold_ms: int) -> bool:
        """True for one caller until it unlocks or `hold_ms` have passed; for every caller while the cache is down."""
        ...

    def unlock(self, organization_id: OrganizationId, kind: str, key: str, token: bytes) -> None:
        """Nothing when another token holds it by now."""
        ...

    def forget(self, organization_id: OrganizationId) -> int:
        """Removes all that is kept of the organization; how many keys that were. Unlike all else here it raises
        StoreUnavailableError: what has to be gone must not be thought gone."""
        ...

    def health(self) -> StoreHealth: ...

    def close(self) -> None: ...

"""Where entities are searched. PostgreSQL is the truth: an index is a projection of it, and can be made again."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.search import Buckets, Held, IndexPage, IndexSearch, Place, Projected


class SearchIndex(Protocol):
    """Every method raises StoreUnavailableError when the store is down, slow past its time-out or lying. Those that
    take a place, but for `create` and `drop`, raise GenerationMissingError when it does not exist."""

    def prepare(self) -> None:
        """For processes that write: create what the store needs beside generations. Idempotent."""
        ...

    def create(self, place: Place) -> None:
        """An empty generation. Idempotent: one that exists keeps what it holds."""
        ...

    def drop(self, place: Place) -> None:
        """With all that it holds. Idempotent."""
        ...

    def generations(self, kind: str) -> Sequence[int]:
        """Those that exist, ascending."""
        ...

    def write(self, place: Place, entities: Sequence[Projected]) -> None:
        """Durable when this returns, searchable within two seconds (or after `refresh`). Of each entity the greatest
        version ever written stays, in whatever order versions arrive; writing one again changes nothing. A deletion is
        a version like any other, and is remembered until it is purged."""
        ...

    def refresh(self, place: Place) -> None:
        """Everything written before is searchable when this returns."""
        ...

    def search(self, search: IndexSearch) -> IndexPage:
        """Live entities of `search.organization_id` with from_ns <= at_ns < to_ns that pass the filter, in the order of
        (at_ns, entity_id). The total is that of the whole search, whatever the page. Raises DeadlineError past the
        query time-out."""
        ...

    def buckets(self, place: Place, organization_id: OrganizationId) -> Buckets:
        """Of the searchable live entities."""
        ...

    def scan(
        self, place: Place, organization_id: OrganizationId, bucket: int, *, after: UUID | None, limit: int
    ) -> Sequence[Held]:
        """What is searchable and held of one bucket, tombstones too, ascending by id."""
        ...

    def purge_deleted(self, place: Place, before_ms: int, *, limit: int) -> int:
        """Forget up to `limit` deletions that were written before this instant; how many they were. What is older than
        a deletion must not arrive any more by then."""
        ...

    def remove(self, place: Place, organization_id: OrganizationId) -> None:
        """Nothing of it is held when this returns, deletions neither. Idempotent."""
        ...

    def health(self) -> StoreHealth:
        """Never raises."""
        ...

    def close(self) -> None: ...

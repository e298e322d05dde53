"""Where an index is filled from."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from strata_datamodel.ids import OrganizationId
from strata_datamodel.search import Buckets, Projected, Wanted


class SearchSource(Protocol):
    """An organization's entities as PostgreSQL holds them at this moment: for effects that bring an index up to date,
    whose result is the same whenever they read, since an index keeps the greatest version. Raises
    StoreUnavailableError."""

    def now(self, organization_id: OrganizationId) -> datetime:
        """By the clock that entities' changes are written by."""
        ...

    def buckets(self, organization_id: OrganizationId, kind: str) -> Buckets: ...

    def versions(
        self, organization_id: OrganizationId, kind: str, bucket: int, *, after: UUID | None, limit: int
    ) -> Sequence[Wanted]:
        """Of one bucket, ascending by id."""
        ...

    def entities(self, organization_id: OrganizationId, kind: str, known: Mapping[UUID, int]) -> Sequence[Projected]:
        """Those with these ids; what is gone as a deletion, later than the version that is known of it."""
        ...

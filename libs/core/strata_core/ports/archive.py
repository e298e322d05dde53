"""Cold storage: objects under keys."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId


@dataclass(frozen=True, slots=True)
class ArchivedObject:
    key: str
    size_bytes: int
    modified_at: datetime


class Archive(Protocol):
    """Keys are relative to the organization: `a/b.parquet`, parts of letters, digits and `. _ = -`, none empty or made
    of dots (InvalidError, `bad_key`). Prefixes are whole parts.
    Every method raises StoreUnavailableError when the store does not answer in time."""

    def put(self, organization_id: OrganizationId, key: str, content: bytes) -> None:
        """Durable and whole when this returns: a reader sees the old object or the new one. Overwrites."""
        ...

    def get(self, organization_id: OrganizationId, key: str) -> bytes:
        """Raises NotFoundError."""
        ...

    def stream(self, organization_id: OrganizationId, key: str, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """Raises NotFoundError before the first chunk, ConflictError when the object is replaced while it is read."""
        ...

    def listing(self, organization_id: OrganizationId, prefix: str = "") -> Sequence[ArchivedObject]:
        """Ordered by key."""
        ...

    def delete(self, organization_id: OrganizationId, key: str) -> None:
        """Idempotent."""
        ...

    def health(self) -> StoreHealth: ...

"""Where organizations' wrapped data keys stand."""

from dataclasses import dataclass
from typing import Final, Protocol

from strata_datamodel.ids import OrganizationId

INDEX_KEY_VERSION: Final = 0
"""The organization's key for blind indexes. Unlike the data keys (1, 2, …) it is never followed by another,
so that equal values stay equal over rotations."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    organization_id: OrganizationId
    version: int
    wrapped: bytes
    wrapping_key_id: str


class DataKeys(Protocol):
    """Nothing here is secret without the wrapping key, which lives elsewhere."""

    def current(self, organization_id: OrganizationId) -> WrappedKey | None:
        """The data key of the highest version, which is 1 or more: never the index key."""
        ...

    def get(self, organization_id: OrganizationId, version: int) -> WrappedKey | None: ...

    def add(self, organization_id: OrganizationId, version: int, wrapped: bytes, wrapping_key_id: str) -> WrappedKey:
        """Of racing writers the first wins; everybody gets the key that stands. It is committed when this returns,
        apart from any unit of work under way: the caller will seal with it, and must be able to open for ever."""
        ...

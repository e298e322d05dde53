"""Where organizations' wrapped data keys stand."""

from collections.abc import Sequence
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

    def standing(self, organization_id: OrganizationId) -> Sequence[WrappedKey]:
        """Every key that is not retired, the index key included, by version. More than one data key among them means
        that a rotation is under way."""
        ...

    def every(self, organization_id: OrganizationId) -> Sequence[WrappedKey]:
        """The retired ones too, by version."""
        ...

    def replace(self, old: WrappedKey, wrapped: bytes, wrapping_key_id: str) -> bool:
        """The same key, wrapped anew. False, and nothing done, when it does not stand there as `old` any more."""
        ...

    def retire(self, organization_id: OrganizationId, before_version: int) -> int:
        """Nothing is sealed with data keys older than this any more; what was still opens. How many were retired."""
        ...

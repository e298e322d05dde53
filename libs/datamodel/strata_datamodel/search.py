"""What is searched of entities whose truth is in PostgreSQL, and questions about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from strata_datamodel.errors import NotFoundError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.logs import LogFilter, LogTotal, SortOrder

BUCKETS: Final = 256
"""Of an entity's id, its last byte: the random end of it, so that all fill alike."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One build of the index of one kind of entity. Organizations move from one generation to the next apart."""

    kind: str
    generation: int


@dataclass(frozen=True, slots=True)
class SearchDocument:
    """What an entity is found by. `at_ns` never changes for an entity: results are in its order, and cursors hold.
    `words` are those of `spaced_words`, `attributes` are `name=value` terms of `attribute_term`."""

    at_ns: int
    words: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Projected:
    """An entity as it was in `version`, its row's, written at `changed_us`: a database that was put back counts its
    versions again, and only the time tells the two apart. Without a document it was deleted by then."""

    organization_id: OrganizationId
    entity_id: UUID
    version: int
    changed_us: int
    document: SearchDocument | None


@dataclass(frozen=True, slots=True)
class Held:
    """What an index holds under an id: a document or, where `is_deleted`, its tombstone."""

    entity_id: UUID
    version: int
    changed_us: int
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an index should hold under an id."""

    entity_id: UUID
    version: int
    changed_us: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """Of the live entities in it: how many, and the sum of their `checksum_of`. Adding is what stores can do by
    themselves, and does not depend on order; a sum of 2^21 such numbers is still exact as a float."""

    count: int
    checksum: int


Buckets = Mapping[int, Bucket]
"""Empty ones are left out."""


@dataclass(frozen=True, slots=True)
class Found:
    at_ns: int
    entity_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class IndexPosition:
    """The last entity of a page."""

    at_ns: int
    entity_id: UUID


@dataclass(frozen=True, slots=True)
class IndexSearch:
    """`without` are ids that the caller looks at himself: they are neither found nor counted."""

    place: Place
    organization_id: OrganizationId
    where: LogFilter
    from_ns: int
    to_ns: int
    limit: int
    order: SortOrder = SortOrder.DESC
    after: IndexPosition | None = None
    without: frozenset[UUID] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class IndexPage:
    """`found` has up to one more than `limit`, which tells that there is a next page."""

    found: tuple[Found, ...]
    total: LogTotal


class GenerationMissingError(NotFoundError):
    """The store is well, and has no such generation: it was dropped, or is not made yet."""

    code = "generation_missing"

    def __init__(self, place: Place) -> None:
        super().__init__(f"there is no generation {place.generation} of the {place.kind} index")
        self.place = place

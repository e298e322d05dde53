"""Comparing what an index holds of an organization with PostgreSQL: sums of buckets first, then what differs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar
from uuid import UUID

from strata_core.ports.search_index import SearchIndex
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.search.checksums import unix_us
from strata_core.search.entities import wanted_buckets, wanted_in
from strata_core.search.generations import generations_of
from strata_core.search.rules import Drift, Finding, differing, findings_in
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import COMPARED_AT_ONCE, DIVERGENCES_PER_PASS
from strata_datamodel.search import Bucket, Buckets, GenerationMissingError, Held, Place, Wanted

OpenOrganization = Callable[[OrganizationId], AbstractContextManager[UnitOfWork]]
T = TypeVar("T", Wanted, Held)

SETTLED_AFTER: Final = timedelta(seconds=20)
"""Projecting takes a second or two where all is well."""
_NOTHING: Final = Bucket(0, 0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`findings` are those of the buckets in `examined`, `counts` of all: of buckets that were not looked into, what
    their sums alone tell. `is_missing`: the generation does not exist."""

    place: Place
    wanted: int
    held: int
    counts: Mapping[Drift, int]
    findings: tuple[Finding, ...]
    examined: frozenset[int]
    is_whole: bool
    is_missing: bool

    @property
    def drift(self) -> int:
        return sum(self.counts.values())


def compare(
    open_organization: OpenOrganization,
    index: SearchIndex,
    organization_id: OrganizationId,
    kind: str,
    *,
    settled_after: timedelta = SETTLED_AFTER,
) -> Comparison:
    """The index is read first: what is newer in PostgreSQL by then changed within these moments, and is let pass."""
    with open_organization(organization_id) as uow:
        place = generations_of(uow, kind).searched
    held, is_missing = _held_buckets(index, place, organization_id)
    with open_organization(organization_id) as uow:
        wanted = wanted_buckets(uow, kind)
    suspect = differing(wanted, held)
    findings: list[Finding] = []
    examined: set[int] = set()
    for bucket in suspect:
        if len(findings) >= DIVERGENCES_PER_PASS:
            break
        examined.add(bucket)
        theirs = [] if is_missing else _held_in(index, place, organization_id, bucket)
        with open_organization(organization_id) as uow:
            ours = _paged(lambda after: wanted_in(uow, kind, bucket, after=after, limit=COMPARED_AT_ONCE))  # noqa: B023
            settled_us = unix_us(uow.now() - settled_after)
        findings += findings_in(ours, theirs, settled_us)
    counts = Counter(finding.drift for finding in findings)
    for bucket in set(suspect) - examined:
        counts[_guess(wanted.get(bucket, _NOTHING), held.get(bucket, _NOTHING))] += _least(wanted, held, bucket)
    return Comparison(
        place=place,
        wanted=sum(bucket.count for bucket in wanted.values()),
        held=sum(bucket.count for bucket in held.values()),
        counts=counts,
        findings=tuple(findings),
        examined=frozenset(examined),
        is_whole=len(examined) == len(suspect),
        is_missing=is_missing,
    )


def _held_buckets(index: SearchIndex, place: Place, organization_id: OrganizationId) -> tuple[Buckets, bool]:
    try:
        index.refresh(place)
        return index.buckets(place, organization_id), False
    except GenerationMissingError:
        return {}, True


def _held_in(index: SearchIndex, place: Place, organization_id: OrganizationId, bucket: int) -> list[Held]:
    return _paged(lambda after: index.scan(place, organization_id, bucket, after=after, limit=COMPARED_AT_ONCE))


def _paged(page_after: Callable[[UUID | None], Sequence[T]]) -> list[T]:
    found: list[T] = []
    while page := page_after(found[-1].entity_id if found else None):
        found += page
        if len(page) < COMPARED_AT_ONCE:
            break
    return found


def _guess(wanted: Bucket, held: Bucket) -> Drift:
    if wanted.count == held.count:
        return Drift.STALE
    return Drift.MISSING if wanted.count > held.count else Drift.GHOST


def _least(wanted: Buckets, held: Buckets, bucket: int) -> int:
    return max(1, abs(wanted.get(bucket, _NOTHING).count - held.get(bucket, _NOTHING).count))

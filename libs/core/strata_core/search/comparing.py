"""Comparing what an index holds of an organization with PostgreSQL: sums of buckets first, then what differs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from strata_core.ports.search_index import SearchIndex
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.search.checksums import unix_us
from strata_core.search.entities import wanted_buckets, wanted_in
from strata_core.search.generations import generations_of
from strata_core.search.rules import Drift, Finding, differing, findings_in
from strata_core.search.windows import windows
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import COMPARED_AT_ONCE, DIVERGENCES_PER_PASS
from strata_datamodel.search import Bucket, Buckets, GenerationMissingError, Held, Place, Wanted

OpenOrganization = Callable[[OrganizationId], AbstractContextManager[UnitOfWork]]

SETTLED_AFTER: Final = timedelta(seconds=20)
"""Projecting takes a second or two where all is well."""
_NOTHING: Final = Bucket(0, 0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`findings` are those of the buckets in `examined`, `counts` of all: of buckets that were not looked into, what
    their sums alone tell. `is_missing`: the generation does not exist. `checksum` is of all rows at `began_at`, by the
    database's clock; `is_same` when the index held all of them, and nothing else."""

    place: Place
    wanted: int
    held: int
    counts: Mapping[Drift, int]
    findings: tuple[Finding, ...]
    examined: frozenset[int]
    is_whole: bool
    is_missing: bool
    began_at: datetime
    checksum: int
    is_same: bool

    @property
    def drift(self) -> int:
        return sum(self.counts.values())


def keep_nothing(_: UnitOfWork) -> None:
    """For comparisons that nobody else would make meanwhile."""


def compare(
    open_organization: OpenOrganization,
    index: SearchIndex,
    organization_id: OrganizationId,
    kind: str,
    *,
    settled_after: timedelta = SETTLED_AFTER,
    keep: Callable[[UnitOfWork], None] = keep_nothing,
) -> Comparison:
    """The index is read first: what is newer in PostgreSQL by then changed within these moments, and is let pass.
    `keep` is called in each transaction, and may raise to end the comparison."""
    with open_organization(organization_id) as uow:
        keep(uow)
        place = generations_of(uow, kind).searched
    held, is_missing = held_buckets(index, place, organization_id)
    with open_organization(organization_id) as uow:
        keep(uow)
        began_at = uow.now()
        wanted = wanted_buckets(uow, kind)

    def wanted_after(bucket: int, after: UUID | None) -> Sequence[Wanted]:
        with open_organization(organization_id) as uow:
            keep(uow)
            return wanted_in(uow, kind, bucket, after=after, limit=COMPARED_AT_ONCE)

    def held_after(bucket: int, after: UUID | None) -> Sequence[Held]:
        if is_missing:
            return []
        return index.scan(place, organization_id, bucket, after=after, limit=COMPARED_AT_ONCE)

    settled_us = unix_us(began_at - settled_after)
    suspect = differing(wanted, held)
    findings: list[Finding] = []
    examined: set[int] = set()
    counts: Counter[Drift] = Counter()
    for bucket in suspect:
        found_before = len(findings)
        if found_before < DIVERGENCES_PER_PASS:
            for ours, theirs in windows(partial(held_after, bucket), partial(wanted_after, bucket)):
                findings += (finding for finding in findings_in(ours, theirs, settled_us) if finding.is_settled)
                if len(findings) >= DIVERGENCES_PER_PASS:
                    break
            else:
                examined.add(bucket)
                continue
        least = _least(wanted, held, bucket) - (len(findings) - found_before)
        counts[_guess(wanted.get(bucket, _NOTHING), held.get(bucket, _NOTHING))] += max(0, least)
    counts.update(finding.drift for finding in findings)
    return Comparison(
        place=place,
        wanted=total(wanted).count,
        held=total(held).count,
        counts=counts,
        findings=tuple(findings),
        examined=frozenset(examined),
        is_whole=len(examined) == len(suspect),
        is_missing=is_missing,
        began_at=began_at,
        checksum=total(wanted).checksum,
        is_same=not suspect,
    )


def total(buckets: Buckets) -> Bucket:
    return Bucket(sum(one.count for one in buckets.values()), sum(one.checksum for one in buckets.values()))


def held_buckets(index: SearchIndex, place: Place, organization_id: OrganizationId) -> tuple[Buckets, bool]:
    try:
        index.refresh(place)
        return index.buckets(place, organization_id), False
    except GenerationMissingError:
        return {}, True


def _guess(wanted: Bucket, held: Bucket) -> Drift:
    if wanted.count == held.count:
        return Drift.STALE
    return Drift.MISSING if wanted.count > held.count else Drift.GHOST


def _least(wanted: Buckets, held: Buckets, bucket: int) -> int:
    return max(1, abs(wanted.get(bucket, _NOTHING).count - held.get(bucket, _NOTHING).count))

"""Filling a generation from PostgreSQL, a bounded part at a call: what differs by then is what is left to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from strata_core.ports.search_index import SearchIndex
from strata_core.ports.search_source import SearchSource
from strata_core.search.rules import differing, findings_in
from strata_core.search.windows import windows
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import COMPARED_AT_ONCE, PROJECTIONS_PER_PASS
from strata_datamodel.search import Held, Place, Wanted


@dataclass(frozen=True, slots=True)
class Filled:
    """`left` are buckets that were not looked into. `unsettled` entities differed although they did not change since
    the time that was given: with none of either, the generation is complete."""

    entities: int
    written: int
    left: int
    unsettled: int

    @property
    def is_complete(self) -> bool:
        return self.left == 0 and self.unsettled == 0


def fill(
    source: SearchSource,
    index: SearchIndex,
    organization_id: OrganizationId,
    place: Place,
    *,
    settled_us: int,
    limit: int,
) -> Filled:
    """Brings up to date what differs, bucket by bucket, until about `limit` entities were written. Nothing is
    remembered from call to call, so a call that was cut off costs nothing but what it had begun."""
    index.refresh(place)
    held = index.buckets(place, organization_id)
    wanted = source.buckets(organization_id, place.kind)
    todo = differing(wanted, held)
    found: dict[UUID, int] = {}
    looked = unsettled = written = 0

    def wanted_after(bucket: int, after: UUID | None) -> Sequence[Wanted]:
        return source.versions(organization_id, place.kind, bucket, after=after, limit=COMPARED_AT_ONCE)

    def held_after(bucket: int, after: UUID | None) -> Sequence[Held]:
        return index.scan(place, organization_id, bucket, after=after, limit=COMPARED_AT_ONCE)

    for bucket in todo:
        if written + len(found) >= limit:
            break
        looked += 1
        for ours, theirs in windows(partial(held_after, bucket), partial(wanted_after, bucket)):
            findings = list(findings_in(ours, theirs, settled_us))
            unsettled += sum(finding.is_settled for finding in findings)
            found |= {finding.entity_id: finding.version for finding in findings}
            if len(found) >= PROJECTIONS_PER_PASS:
                written += _write(source, index, organization_id, place, found)
                found = {}
    written += _write(source, index, organization_id, place, found)
    return Filled(sum(bucket.count for bucket in wanted.values()), written, len(todo) - looked, unsettled)


def _write(
    source: SearchSource, index: SearchIndex, organization_id: OrganizationId, place: Place, found: dict[UUID, int]
) -> int:
    ids = sorted(found)
    for start in range(0, len(ids), PROJECTIONS_PER_PASS):
        known = {entity_id: found[entity_id] for entity_id in ids[start : start + PROJECTIONS_PER_PASS]}
        index.write(place, source.entities(organization_id, place.kind, known))
    return len(ids)

"""What the difference between PostgreSQL and an index means, decided from what both hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from strata_datamodel.search import Buckets, Held, Wanted


class Drift(StrEnum):
    MISSING = "missing"
    """The index holds less than it should: nothing, or an older deletion."""
    STALE = "stale"
    """It holds an older version."""
    GHOST = "ghost"
    """It holds what PostgreSQL has no row of."""
    AHEAD = "ahead"
    """It holds what PostgreSQL never had, or has not any more, since it was put back: a later version, or another of
    the same number. What is projected would be taken for old."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`version` is the greatest that either side has. What is not settled changed a moment ago, and may be on its
    way."""

    entity_id: UUID
    drift: Drift
    version: int
    is_settled: bool = True


def differing(wanted: Buckets, held: Buckets) -> list[int]:
    return sorted(bucket for bucket in wanted.keys() | held.keys() if wanted.get(bucket) != held.get(bucket))


def findings_in(wanted: Sequence[Wanted], held: Sequence[Held], settled_us: int) -> Iterator[Finding]:
    """Both ascending by id. What changed after `settled_us` is not settled."""
    wanted_at = held_at = 0
    while wanted_at < len(wanted) or held_at < len(held):
        ours = wanted[wanted_at] if wanted_at < len(wanted) else None
        theirs = held[held_at] if held_at < len(held) else None
        if ours is not None and (theirs is None or ours.entity_id <= theirs.entity_id):
            wanted_at += 1
            same = theirs if theirs is not None and theirs.entity_id == ours.entity_id else None
            held_at += same is not None
            finding = _finding(ours, same, is_settled=ours.changed_us <= settled_us)
            if finding is not None:
                yield finding
        elif theirs is not None:
            held_at += 1
            if not theirs.is_deleted:
                yield Finding(theirs.entity_id, Drift.GHOST, theirs.version)


def _finding(ours: Wanted, theirs: Held | None, *, is_settled: bool) -> Finding | None:
    if theirs is None:
        return Finding(ours.entity_id, Drift.MISSING, ours.version, is_settled)
    if theirs.version < ours.version:
        drift = Drift.MISSING if theirs.is_deleted else Drift.STALE
        return Finding(ours.entity_id, drift, ours.version, is_settled)
    if theirs.is_deleted or theirs.version > ours.version or theirs.changed_us != ours.changed_us:
        return Finding(ours.entity_id, Drift.AHEAD, theirs.version)
    return None

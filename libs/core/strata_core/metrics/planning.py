"""Which tier answers for which part of a range. Pure: what is known of the tiers goes in, a plan comes out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from strata_core.rollups.queries import TierState
from strata_core.rollups.rules import HOUR_NS, hour_of
from strata_datamodel.errors import InvalidError
from strata_datamodel.tiers import RESOLUTION_NS, ROLLED_UP, Stretch, Tier

_EVER: Final = 2**63 - 1
_DIRTY_PARTS: Final = 16
"""With more, all between the first and the last is read as if it were dirty: slower, and not in a hundred stretches."""
Part = tuple[int, int]

RESOLUTION: Final = {tier: "10s" if tier is Tier.RAW else tier.value for tier in Tier}
"""As answers tell it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`needs_points` is what no window can tell: only raw points answer."""

    from_ns: int
    to_ns: int
    step_ns: int | None
    needs_points: bool = False
    is_exact: bool = True
    """Whether windows that were rolled up tell the very same as their points."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the range, the tier that answers for it, and the share of it (0 to 1) that the tier keeps."""

    from_ns: int
    to_ns: int
    tier: Tier
    coverage: float


@dataclass(frozen=True, slots=True)
class Plan:
    """`stretches` follow each other; there are none when nothing of the range is kept. Segments tell of all of it."""

    stretches: tuple[Stretch, ...]
    segments: tuple[Segment, ...]


EXACT_FOR_NS: Final = 6 * HOUR_NS
"""A range up to this long is told from points where windows would tell it nearly: they are few enough to be read."""


def plan(asked: Asked, state: TierState) -> Plan:
    """The coarsest tier whose windows make up a step, up to where it is rolled up, and finer ones at the ragged edges
    and after that; of dirty hours the finest that is kept, which has what the coarser ones are yet to learn. Raises
    InvalidError (codes `aggregate_not_kept`, `step_not_kept`)."""
    tiers = _tiers_for(asked, state)
    dirty, clean = _split(asked, state)
    parts: list[Stretch] = []
    left: list[Part] = []
    for ranges, order in ((clean, tiers[::-1]), (dirty, tiers)):
        rest = ranges
        for tier in order:
            found, rest = _carved(rest, tier, state)
            parts += [Stretch(tier, *part) for part in found]
        left += rest
    if asked.needs_points and left:
        raise points_gone()
    if not parts:
        _refuse_if_kept_otherwise(asked, state)
    return _told(asked, _joined(parts), tiers[-1])


def _tiers_for(asked: Asked, state: TierState) -> Sequence[Tier]:
    """Those that can answer, from the finest to the coarsest."""
    if asked.needs_points or _is_read_exactly(asked, state):
        return (Tier.RAW,)
    fitting = [tier for tier in ROLLED_UP if asked.step_ns is None or asked.step_ns % RESOLUTION_NS[tier] == 0]
    return (Tier.RAW, *(tier for tier in fitting if tier in state.through_ns))


def _is_read_exactly(asked: Asked, state: TierState) -> bool:
    is_short = asked.to_ns - asked.from_ns <= EXACT_FOR_NS
    return not asked.is_exact and is_short and asked.from_ns >= state.kept_from_ns[Tier.RAW]


def _split(asked: Asked, state: TierState) -> tuple[list[Part], list[Part]]:
    """Dirty parts of the range, and clean ones."""
    dirty = [
        (max(hour, asked.from_ns), min(hour + HOUR_NS, asked.to_ns))
        for hour in state.dirty_hours
        if hour_of(asked.from_ns) <= hour < asked.to_ns
    ]
    if len(dirty) > _DIRTY_PARTS:
        dirty = [(dirty[0][0], dirty[-1][1])]
    clean, at_ns = [], asked.from_ns
    for begin, end in dirty:
        if at_ns < begin:
            clean.append((at_ns, begin))
        at_ns = end
    if at_ns < asked.to_ns:
        clean.append((at_ns, asked.to_ns))
    return dirty, clean


def _carved(ranges: Sequence[Part], tier: Tier, state: TierState) -> tuple[list[Part], list[Part]]:
    """What of the ranges the tier answers for, in whole windows, and what it leaves."""
    width_ns = 1 if tier is Tier.RAW else RESOLUTION_NS[tier]
    kept_ns, through_ns = state.kept_from_ns[tier], state.through_ns.get(tier, _EVER)
    found, left = [], []
    for begin, end in ranges:
        first = -(-max(begin, kept_ns) // width_ns) * width_ns
        last = min(end, through_ns) // width_ns * width_ns
        if first >= last:
            left.append((begin, end))
            continue
        found.append((first, last))
        left += [part for part in ((begin, first), (last, end)) if part[0] < part[1]]
    return found, left


def _joined(parts: Sequence[Stretch]) -> list[Stretch]:
    joined: list[Stretch] = []
    for part in sorted(parts, key=lambda part: part.from_ns):
        if joined and joined[-1].tier is part.tier and joined[-1].to_ns == part.from_ns:
            joined[-1] = replace(joined[-1], to_ns=part.to_ns)
        else:
            joined.append(part)
    return joined


def _told(asked: Asked, kept: Sequence[Stretch], otherwise: Tier) -> Plan:
    """With the holes between. The store is asked for those too, as stretches follow each other: from raw points, of
    which there are none any more. Before the first that is kept it is not asked at all."""
    segments = list(_segments(asked, kept, otherwise))
    stretches = [
        Stretch(each.tier if each.coverage else Tier.RAW, each.from_ns, each.to_ns)
        for each in segments
        if kept and kept[0].from_ns <= each.from_ns < kept[-1].to_ns
    ]
    return Plan(tuple(stretches), tuple(segments))


def _segments(asked: Asked, kept: Sequence[Stretch], otherwise: Tier) -> Iterator[Segment]:
    at_ns = asked.from_ns
    for each in kept:
        if at_ns < each.from_ns:
            yield Segment(at_ns, each.from_ns, otherwise, 0.0)
        yield Segment(each.from_ns, each.to_ns, each.tier, 1.0)
        at_ns = each.to_ns
    if at_ns < asked.to_ns:
        yield Segment(at_ns, asked.to_ns, otherwise, 0.0)


def _refuse_if_kept_otherwise(asked: Asked, state: TierState) -> None:
    """Nothing can be told as it was asked for; if it could be otherwise, they should know how."""
    holding = [tier for tier in ROLLED_UP if tier in state.through_ns and asked.to_ns > state.kept_from_ns[tier]]
    if not holding:
        return
    raise InvalidError(
        f"of a time that long ago there are windows of {holding[0]} and longer, which a step has to be made of",
        code="step_not_kept",
        hint=f"use a step that is a multiple of {holding[0]}",
    )


def points_gone() -> InvalidError:
    return InvalidError(
        "this can only be told from points as they were sent, and those of that time are gone",
        code="aggregate_not_kept",
        hint="ask for a range that begins later; of distinct, mode and filters of values, windows tell nothing",
    )

"""What may be rolled up, what has to be again, and what may go. Times are Unix nanoseconds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_datamodel.tiers import ABOVE, RESOLUTION_NS, ROLLED_UP, Tier

_SECOND_NS: Final = 1_000_000_000
HOUR_NS: Final = 3_600 * _SECOND_NS
_DAY_NS: Final = 24 * HOUR_NS

LAG_NS: Final = 120 * _SECOND_NS
"""A window is rolled up once it has been over for this long: what usually comes late is then there. Not a setting, as
two processes that have it differently would lose points: see ADR 0022."""

SKEW_NS: Final = 30 * _SECOND_NS
"""How far the clocks of two processes may lie apart."""

LEASE: Final = timedelta(minutes=10)
"""Of who changes tiers. Longer than any one call of a store: who was overtaken in the midst of one may have written old
windows over new ones, and takes the watermark back when it sees that."""

FIRST_PIECE_NS: Final[Mapping[Tier, int]] = {
    Tier.MINUTE: HOUR_NS,
    Tier.FIVE_MINUTES: 6 * HOUR_NS,
    Tier.HOUR: _DAY_NS,
}
LONGEST_PIECE_NS: Final[Mapping[Tier, int]] = {
    Tier.MINUTE: _DAY_NS,
    Tier.FIVE_MINUTES: 4 * _DAY_NS,
    Tier.HOUR: 16 * _DAY_NS,
}
"""What is rolled up in one call, so that catching up is work in bounded pieces: more where a store is quick with it."""

QUICK_S: Final = 1.0

MARKED_FOR_NS: Final = 31 * _DAY_NS
"""No point that is older is rolled up again: no organization keeps raw points for longer."""


COMPARED_NS: Final[Mapping[Tier, int]] = {
    Tier.MINUTE: 2 * _DAY_NS,
    Tier.FIVE_MINUTES: 7 * _DAY_NS,
    Tier.HOUR: 30 * _DAY_NS,
}
"""How far back gaps are looked for."""

GRACE_NS: Final = HOUR_NS
"""How much longer than promised the store keeps: a question for all that is kept, asked while it is being let go, is
answered whole."""

SETTLED_AFTER: Final = timedelta(seconds=30)
"""An hour that was just marked waits: those who send late send more."""


@dataclass(frozen=True, slots=True)
class Span:
    """Windows of a tier to be made."""

    tier: Tier
    from_ns: int
    to_ns: int


def hour_of(time_ns: int) -> int:
    return time_ns - time_ns % HOUR_NS


def late_hours(time_ns: NDArray[np.int64], now_ns: int) -> list[int]:
    """The hours with points that may be too late for the roll-up of their window. `now_ns` was read after the store had
    them: a roll-up that began after that, by any clock, saw them."""
    edge_ns, oldest_ns = now_ns - LAG_NS + SKEW_NS, now_ns - MARKED_FOR_NS
    if not len(time_ns) or int(time_ns.min()) >= edge_ns:
        return []
    late = time_ns[(time_ns < edge_ns) & (time_ns >= oldest_ns)]
    if not len(late):
        return []
    first = int(late.min()) // HOUR_NS
    if int(late.max()) // HOUR_NS == first:  # nearly always: what is sent at once is of one time
        return [first * HOUR_NS]
    counts = np.bincount(late // HOUR_NS - first)  # of few hours, being of MARKED_FOR_NS
    return [(first + int(place)) * HOUR_NS for place in np.flatnonzero(counts)]


def closed_before(tier: Tier, now_ns: int, through: Mapping[Tier, int]) -> int:
    """What ends by then has all of its points, or windows, above it."""
    end_ns = now_ns - LAG_NS if ABOVE[tier] is Tier.RAW else through[ABOVE[tier]]
    return _floor(end_ns, RESOLUTION_NS[tier])


def next_piece(tier: Tier, from_ns: int, to_ns: int, longest_ns: int) -> int | None:
    """Where a piece that begins at `from_ns` ends; None when no whole window is left before `to_ns`."""
    end_ns = min(to_ns, _floor(from_ns + longest_ns, RESOLUTION_NS[tier]))
    return end_ns if end_ns > from_ns else None


def shorter_piece(tier: Tier, piece_ns: int) -> int:
    """After one that the store did not manage."""
    return max(RESOLUTION_NS[tier], _floor(piece_ns // 4, RESOLUTION_NS[tier]))


def piece_after(tier: Tier, piece_ns: int, took_s: float) -> int:
    return min(LONGEST_PIECE_NS[tier], piece_ns * 2) if took_s < QUICK_S else piece_ns


def first_watermark(now_ns: int, raw_kept_ns: int) -> int:
    """Of a store that may hold points from before it was ever rolled up."""
    return hour_of(now_ns - raw_kept_ns)


def rewound(tier: Tier, at_ns: int) -> Mapping[Tier, int]:
    """How far tiers can still be trusted when windows of one from there on may have been overwritten with old ones."""
    return {each: _floor(at_ns, RESOLUTION_NS[each]) for each in ROLLED_UP[ROLLED_UP.index(tier) :]}


def spans_again(hour_ns: int, through: Mapping[Tier, int], whole_from: Mapping[Tier, int]) -> tuple[Span, ...]:
    """What of a dirty hour is made again, from the finest to the coarsest: only windows that were made before, as the
    others are to come anyway, and only those of which the tier above still has all. A window made from what is left of
    an expired one would say less than it does now."""
    return tuple(
        span
        for tier in ROLLED_UP
        for span in [
            Span(
                tier,
                max(hour_ns, _ceiling(whole_from[ABOVE[tier]], RESOLUTION_NS[tier])),
                min(hour_ns + HOUR_NS, through[tier]),
            )
        ]
        if span.from_ns < span.to_ns
    )


def compared_spans(through: Mapping[Tier, int], kept_from: Mapping[Tier, int]) -> Iterator[Span]:
    """What is looked over for gaps, a day at a time: whole hours of which the tier above has everything."""
    for tier in ROLLED_UP:
        to_ns = hour_of(through[tier])
        at_ns = max(_ceiling(kept_from[ABOVE[tier]], HOUR_NS), to_ns - COMPARED_NS[tier])
        while at_ns < to_ns:
            yield Span(tier, at_ns, min(at_ns + _DAY_NS, to_ns))
            at_ns += _DAY_NS


def hours_within(from_ns: int, to_ns: int) -> Iterator[int]:
    yield from range(hour_of(from_ns), to_ns, HOUR_NS)


def gone_before(
    now_ns: int, kept_ns: Mapping[Tier, int], through: Mapping[Tier, int], oldest_dirty_ns: int | None
) -> Mapping[Tier, int]:
    """What may go: nothing that another tier is still to be made from. For hours that stay dirty it waits a day, or one
    that cannot be made would fill the disk."""
    due = {tier: now_ns - kept_ns[tier] - GRACE_NS for tier in Tier}
    for below in ROLLED_UP:
        above = ABOVE[below]
        dirty_ns = due[above] if oldest_dirty_ns is None else max(oldest_dirty_ns, due[above] - _DAY_NS)
        due[above] = min(due[above], through[below], dirty_ns)
    return due


def _floor(time_ns: int, width_ns: int) -> int:
    return time_ns - time_ns % width_ns


def _ceiling(time_ns: int, width_ns: int) -> int:
    return -_floor(-time_ns, width_ns)

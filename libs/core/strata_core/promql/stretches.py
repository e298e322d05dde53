"""Which tier samples are read from."""

from strata_core.rollups.queries import TierState
from strata_datamodel.tiers import RESOLUTION_NS, ROLLED_UP, Stretch, Tier


def stretches_of(state: TierState, from_ns: int, to_ns: int) -> tuple[Stretch, ...]:
    """Raw points as long as they are kept, and of the time before that the finest windows there are: of these the last
    point stands for each."""
    parts: list[Stretch] = []
    until = to_ns
    for tier in (Tier.RAW, *ROLLED_UP):
        if tier is not Tier.RAW and tier not in state.through_ns:
            continue
        width_ns = 1 if tier is Tier.RAW else RESOLUTION_NS[tier]
        end = until if tier is Tier.RAW else min(until, state.through_ns[tier]) // width_ns * width_ns
        begin = -(-max(from_ns, state.kept_from_ns[tier]) // width_ns) * width_ns
        if begin < end:
            parts.append(Stretch(tier, begin, end))
            until = begin
    return tuple(reversed(parts))

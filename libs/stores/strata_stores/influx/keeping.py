"""How long InfluxDB keeps each tier, and in pieces of which length it lets go of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from strata_datamodel.tiers import Tier

_HOUR_S: Final = 3600
_DAY_S: Final = 24 * _HOUR_S
_NS_PER_S: Final = 1_000_000_000

SHARD_S: Final[Mapping[Tier, int]] = {
    Tier.RAW: _DAY_S,
    Tier.MINUTE: _DAY_S,
    Tier.FIVE_MINUTES: 7 * _DAY_S,
    Tier.HOUR: 28 * _DAY_S,
}
"""InfluxDB drops whole shard groups: points live this much longer than they have to. Longer ones are fewer, and every
question of a long range opens all it touches."""


@dataclass(frozen=True, slots=True)
class Term:
    """`kept_s` None keeps for ever."""

    kept_s: int | None
    shard_s: int


def terms_of(kept_ns: Mapping[Tier, int] | None) -> dict[Tier, Term]:
    """None keeps all tiers for ever."""
    if kept_ns is None:
        return {tier: Term(None, shard_s) for tier, shard_s in SHARD_S.items()}
    return {tier: _term(tier, -(-kept // _NS_PER_S)) for tier, kept in kept_ns.items()}


def _term(tier: Tier, kept_s: int) -> Term:
    kept_s = max(kept_s, _HOUR_S)  # InfluxDB refuses less, and shards that outlive what is in them
    return Term(kept_s, min(SHARD_S[tier], kept_s))

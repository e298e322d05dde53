"""What may be set: within limits, and no tier shorter than the one it is made from."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from strata_datamodel.errors import InvalidError
from strata_datamodel.tiers import KEPT_NS, Tier

_SECOND_NS: Final = 1_000_000_000
_HOUR_S: Final = 3_600
_DAY_S: Final = 24 * _HOUR_S

DEFAULT_S: Final[Mapping[Tier, int]] = {tier: KEPT_NS[tier] // _SECOND_NS for tier in Tier}
SHORTEST_S: Final = _HOUR_S
LONGEST_S: Final[Mapping[Tier, int]] = {
    Tier.RAW: 30 * _DAY_S,
    Tier.MINUTE: 90 * _DAY_S,
    Tier.FIVE_MINUTES: 365 * _DAY_S,
    Tier.HOUR: 5 * 365 * _DAY_S,
}


def tier_named(name: str) -> Tier:
    """Raises InvalidError (code `unknown_tier`)."""
    try:
        return Tier(name)
    except ValueError:
        raise InvalidError(
            f"there is no tier {name[:64]}", code="unknown_tier", hint=f"use one of {', '.join(Tier)}"
        ) from None


def check_retentions(kept_s: Mapping[Tier, int]) -> None:
    """Of all tiers together, as they would be in force. Raises InvalidError (code `bad_retention`)."""
    for tier in Tier:
        if not SHORTEST_S <= kept_s[tier] <= LONGEST_S[tier]:
            raise _refused(f"{tier} is kept for {shown(SHORTEST_S)} to {shown(LONGEST_S[tier])}")
    for finer, coarser in pairwise(Tier):
        if kept_s[coarser] < kept_s[finer]:
            raise _refused(
                f"{coarser} would be kept for {shown(kept_s[coarser])}, and {finer}, which is finer, for"
                f" {shown(kept_s[finer])}",
                hint=f"keep {coarser} at least as long: set it first",
            )


def shown(seconds: int) -> str:
    days, rest = divmod(seconds, _DAY_S)
    if days and not rest:
        return f"{days}d"
    return f"{seconds // _HOUR_S}h" if seconds % _HOUR_S == 0 else f"{seconds}s"


def _refused(detail: str, hint: str | None = None) -> InvalidError:
    return InvalidError(detail, code="bad_retention", hint=hint)

"""How finely metrics are kept, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_SECOND_NS: Final = 1_000_000_000
_MINUTE_NS: Final = 60 * _SECOND_NS
_HOUR_NS: Final = 60 * _MINUTE_NS
_DAY_NS: Final = 24 * _HOUR_NS


class Tier(StrEnum):
    """From the finest to the coarsest. Each but the first is rolled up from the one before it."""

    RAW = "raw"
    MINUTE = "1m"
    FIVE_MINUTES = "5m"
    HOUR = "1h"


ROLLED_UP: Final = (Tier.MINUTE, Tier.FIVE_MINUTES, Tier.HOUR)
ABOVE: Final[Mapping[Tier, Tier]] = {
    Tier.MINUTE: Tier.RAW,
    Tier.FIVE_MINUTES: Tier.MINUTE,
    Tier.HOUR: Tier.FIVE_MINUTES,
}
"""What each tier is made from."""

RESOLUTION_NS: Final[Mapping[Tier, int]] = {
    Tier.RAW: 10 * _SECOND_NS,
    Tier.MINUTE: _MINUTE_NS,
    Tier.FIVE_MINUTES: 5 * _MINUTE_NS,
    Tier.HOUR: _HOUR_NS,
}
"""The width of a tier's windows, which begin at multiples of it since the epoch. Raw points are kept as sent: theirs is
how often agents usually send."""

KEPT_NS: Final[Mapping[Tier, int]] = {
    Tier.RAW: 7 * _DAY_NS,
    Tier.MINUTE: 30 * _DAY_NS,
    Tier.FIVE_MINUTES: 90 * _DAY_NS,
    Tier.HOUR: 365 * _DAY_NS,
}
"""For how long, unless an organization has it otherwise."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a range, and the tier that answers for it. Of a tier that was rolled up it holds whole windows."""

    tier: Tier
    from_ns: int
    to_ns: int


@dataclass(frozen=True, slots=True)
class RolledUp:
    points: int
    """What was read of the tier above: its points, or its windows."""

    windows: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Within it windows of a tier are missing, or say something else than the tier above."""

    from_ns: int
    to_ns: int
    windows: int

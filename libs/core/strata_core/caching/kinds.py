"""What is cached, for how long, and which changes end it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600


@dataclass(frozen=True, slots=True)
class CacheKind:
    """`fresh_s` is how long an answer counts as new when nothing ends it earlier; `stale_s` how much longer it may be
    shown, and said to be old, while its origin is down or asked again. `alone_s` is how long a process believes its own
    copy without asking the shared cache whether it still counts, `cut_off_s` the same while that cannot be asked:
    zero where a change has to be seen at once."""

    name: str
    fresh_s: int
    stale_s: int
    alone_s: float = 0.0
    cut_off_s: float = 0.0
    origin_callers: int = 8
    """How many of one process ask the origin at once."""
    origin_callers_of_one: int = 4
    """How many of those for one organization."""


PROFILES: Final = CacheKind("profiles", _HOUR_S, _HOUR_S)
"""Held under the person's id in place of an organization's: a person belongs to none."""
CONFIGURATION: Final = CacheKind("configuration", _HOUR_S, _HOUR_S)
DASHBOARDS: Final = CacheKind("dashboards", 5 * _MINUTE_S, _HOUR_S)
AGGREGATIONS: Final = CacheKind("aggregations", _MINUTE_S, 10 * _MINUTE_S, alone_s=1.0, cut_off_s=5.0)
LATEST: Final = CacheKind("latest", 5 * _MINUTE_S, 0)

EMPTY_S: Final = 5
"""An answer with nothing in it counts this long at most: what was just made must be found soon."""

KINDS: Final = (PROFILES, CONFIGURATION, DASHBOARDS, AGGREGATIONS, LATEST)

ENDED_BY: Final[Mapping[str, tuple[CacheKind, ...]]] = {
    "dashboard": (DASHBOARDS,),
    "organization": (CONFIGURATION,),
    "role": (CONFIGURATION,),
    "user": (PROFILES,),
}
"""Entity kind → what a change of such an entity ends. An event about a user is told to that user's id."""

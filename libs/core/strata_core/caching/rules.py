"""Whether an answer still counts. Pure."""

import hashlib
import math
from enum import StrEnum
from typing import Final

from strata_core.caching.kinds import CacheKind
from strata_core.ports.cache import Entry

_EAGERNESS: Final = 1.0
_SKEW_MS: Final = 1_000


class Freshness(StrEnum):
    FRESH = "fresh"
    EARLY = "early"
    """Still counts, and this caller makes it anew, so that no crowd finds it gone."""
    STALE = "stale"
    GONE = "gone"


def freshness(entry: Entry, kind: CacheKind, now_ms: int, chance: float) -> Freshness:
    """`chance` lies above 0 and up to 1. An entry from the future, by a clock ahead of ours, is old: how old
    it truly is nobody here can tell."""
    age_ms = now_ms - entry.made_at_ms
    if age_ms < -_SKEW_MS:
        return Freshness.STALE
    left_ms = entry.fresh_ms - age_ms
    if left_ms <= 0:
        return Freshness.STALE if left_ms + kind.stale_s * 1_000 > 0 else Freshness.GONE
    # XFetch (Vattani, Chierichetti and Lowenstein, 2015): the longer an answer took, the earlier somebody starts over.
    is_early = -_EAGERNESS * entry.cost_ms * math.log(chance) >= left_ms
    return Freshness.EARLY if is_early else Freshness.FRESH


def age_s(entry: Entry, now_ms: int) -> int:
    return max(0, (now_ms - entry.made_at_ms) // 1_000)


def kept_ms(entry: Entry, kind: CacheKind) -> int:
    return entry.fresh_ms + kind.stale_s * 1_000


def key_of(*parts: str | bytes) -> str:
    """Each part is delimited, so that none can run into the next."""
    digest = hashlib.blake2b(digest_size=24, person=b"strata.cache")
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()

"""Which answers about metrics are the same, and for how long each is worth showing."""

from collections.abc import Sequence
from typing import Final

import msgspec

from strata_core.access.rules import require, scopes_of
from strata_core.caching.kinds import AGGREGATIONS
from strata_core.caching.read_through import Question
from strata_core.caching.rules import key_of
from strata_core.context import Context
from strata_core.metrics.asking import Asked, Expression, check_asked

_SECOND_NS: Final = 1_000_000_000
_WINDOWS: Final = 60
_LEAST_S: Final = 1.0


def panel(ctx: Context, asked: Sequence[Asked], expressions: Sequence[Expression], now_ns: int) -> Question:
    """Of two callers with the same words and the same scope the second may get what the first got: `now-1h` is the same
    question a moment later. An answer is shown for a step at most, the shortest of several, or a sixtieth of the range
    where it is one window, and never longer than aggregations are: a panel that is asked for again misses one window,
    and not many. Raises what the questions themselves would."""
    require(ctx, "metrics:read")
    queries = check_asked(ctx, asked, expressions, now_ns)
    worth_ns = min(
        (query.to_ns - query.from_ns) / _WINDOWS if query.step_ns is None else query.step_ns for query in queries
    )
    return Question(
        ctx.organization_id,
        AGGREGATIONS,
        key_of("panel", msgspec.json.encode((asked, expressions)), repr(scopes_of(ctx, "metrics:read"))),
        fresh_s=min(float(AGGREGATIONS.fresh_s), max(_LEAST_S, worth_ns / _SECOND_NS)),
    )

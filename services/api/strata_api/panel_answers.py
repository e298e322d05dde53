"""Answers to the questions of panels, through the cache."""

import orjson

from strata_api.deps import Access
from strata_core.caching.read_through import Answer, Made
from strata_core.dashboards.panel_data import kept_question
from strata_core.instants import rfc3339
from strata_core.metrics.planning import RESOLUTION
from strata_core.metrics.queries import MetricQuestion, MetricResult, metrics_asked


def panel_answer(access: Access, question: MetricQuestion, *, is_new_wanted: bool) -> Answer:
    """As `metrics/query` shows it. Raises what `metrics_asked` and `ReadThrough.answer` raise."""
    deps = access.deps

    def make() -> Made:
        now_ns = deps.clock.now_ns()
        result = metrics_asked(access.ctx, deps.metric_store, question, now_ns, deps.tier_states)
        # Straight to bytes, kept as they are sent: an answer may hold half a million points.
        return Made(orjson.dumps(_shown(result)), version=now_ns // 1_000, is_empty=not result.series)

    asked = kept_question(access.ctx, question, deps.clock.now_ns())
    return deps.answers.answer(asked, make, is_new_wanted=is_new_wanted)


def _shown(result: MetricResult) -> dict[str, object]:
    return {
        "series": [{"tags": dict(series.tags), "points": series.points} for series in result.series],
        "segments": [
            {
                "from": rfc3339(segment.from_ns),
                "to": rfc3339(segment.to_ns),
                "tier": segment.tier.value,
                "resolution": RESOLUTION[segment.tier],
                "coverage": segment.coverage,
            }
            for segment in result.segments
        ],
    }

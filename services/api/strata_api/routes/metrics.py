"""Questions about metrics."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Request, Response

from strata_api.cached_answers import CacheControl, json_of, tell_panel, wants_new
from strata_api.deps import Access, requires
from strata_api.metric_questions import Answer, Answers, Questions, answer_to, asked_in
from strata_core.caching.read_through import Made
from strata_core.metrics.asking import Sources, all_told
from strata_core.metrics.panels import panel

router = APIRouter(prefix="/api/v1/orgs/{org}/metrics", tags=["metrics"])


@router.post(
    "/query", operation_id="metrics_query", summary="Aggregate fields over time", response_model=Answer | Answers
)
def query_metrics(
    access: Annotated[Access, requires("metrics:read", is_slow=True)],
    body: Questions,
    request: Request,
    cache_control: CacheControl = None,
) -> Response:
    """One question, or several with names and expressions between them: `a / b * 100`. An answer is kept for the length
    of its step, a minute at most; `segments` tell the range that it is about."""
    asked, expressions = asked_in(body)
    deps = access.deps

    def make() -> Made:
        now_ns = deps.clock.now_ns()
        sources = Sources(deps.metric_store, deps.tier_states, deps.clock)
        told = all_told(access.ctx, sources, asked, expressions, now_ns)
        # Straight to bytes, kept as they are sent: an answer may hold half a million points.
        body_bytes = orjson.dumps(answer_to(body, told))
        return Made(body_bytes, version=now_ns // 1_000, is_empty=not any(each.series for each in told))

    question = panel(access.ctx, asked, expressions, deps.clock.now_ns())
    answer = deps.answers.answer(question, make, is_new_wanted=wants_new(cache_control))
    tell_panel(request, question)
    return json_of(answer)

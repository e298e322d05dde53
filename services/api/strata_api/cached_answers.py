"""Answers from the cache, and what says so: `Age`, and `Cache-Status` (RFC 9211)."""

from collections.abc import Callable
from typing import Annotated, Final
from uuid import UUID

from fastapi import Header, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from strata_api.api_deps import deps_of
from strata_core.caching.figures import Outcome
from strata_core.caching.kinds import CacheKind
from strata_core.caching.read_through import Answer, Question
from strata_datamodel.ids import OrganizationId

CACHE_STATUS: Final = {
    Outcome.MEMORY: "strata; hit",
    Outcome.SHARED: "strata; hit",
    Outcome.WAITED: "strata; fwd=miss; collapsed",
    Outcome.ORIGIN: "strata; fwd=miss",
    Outcome.STALE: "strata; hit; detail=stale",
}
_ENDINGS: Final = "endings"
_PANEL: Final = "panel"

CacheControl = Annotated[
    str | None,
    Header(max_length=200, description="`no-cache`: nothing that was kept. Else `Age` tells how old the answer is."),
]


def wants_new(cache_control: str | None) -> bool:
    return cache_control is not None and "no-cache" in cache_control.lower()


def headers_of_answer(answer: Answer) -> dict[str, str]:
    return {"age": str(answer.age_s), "cache-status": CACHE_STATUS[answer.outcome]}


def json_of(answer: Answer) -> Response:
    return Response(answer.body, media_type="application/json", headers=headers_of_answer(answer))


def tell_panel(request: Request, question: Question) -> None:
    """What the request's body asks for, to whoever may answer the same words next time."""
    request.scope["state"][_PANEL] = question


def panel_asked(scope: Scope) -> Question | None:
    """Of a request that was answered."""
    asked: Question | None = scope["state"].get(_PANEL)
    return asked


def ends(request: Request, owner_id: UUID, kind: CacheKind) -> None:
    """If the request succeeds, all processes forget what they keep of this kind before it is answered: whoever reads
    the answer may ask again at once, and elsewhere. `owner_id` is an organization's, or of profiles a person's."""
    answers = deps_of(request).answers
    endings: list[Callable[[], None]] = request.scope["state"].setdefault(_ENDINGS, [])
    endings.append(lambda: answers.invalidate(OrganizationId(owner_id), kind))


async def end_what_changed(scope: Scope) -> None:
    for end in scope["state"].pop(_ENDINGS, ()):
        await run_in_threadpool(end)

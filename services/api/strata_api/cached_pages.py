"""Pages of lists that change seldom and are read often."""

from collections.abc import Callable
from typing import TypeVar

from fastapi import Response

from strata_api.cached_answers import json_of
from strata_api.deps import Access
from strata_api.paging import Listing
from strata_api.schemas import Page
from strata_core.caching.kinds import CONFIGURATION
from strata_core.caching.read_through import Answer, Made, Question
from strata_core.caching.rules import key_of

T = TypeVar("T")


def kept_page(access: Access, listing: Listing, make: Callable[[], Page[T]]) -> Response:
    """For those who may see all of the list: the key names no scope. It names what the page depends on and not the
    query as it was sent, for anybody can add to that without end. The cursor of the next page is kept in front of the
    body, up to the first line break: the link to it is each request's own."""

    def made() -> Made:
        page = make()
        read_at_us = access.deps.clock.now_ns() // 1_000
        return Made((page.next_cursor or "").encode() + b"\n" + page.model_dump_json().encode(), read_at_us)

    key = key_of("page", listing.place.text(), str(listing.query.limit), listing.query.cursor or "")
    kept = access.deps.answers.answer(Question(access.ctx.organization_id, CONFIGURATION, key), made)
    cursor, _, body = kept.body.partition(b"\n")
    response = json_of(Answer(body, kept.age_s, kept.is_stale, kept.outcome))
    if cursor:
        listing.lead_on(cursor.decode(), response)
    return response

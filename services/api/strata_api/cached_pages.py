"""Pages of lists that change seldom and are read often."""

from collections.abc import Callable
from typing import Final, TypeVar

from fastapi import Response

from strata_api.cached_answers import json_of
from strata_api.deps import Access
from strata_api.paging import Listing
from strata_api.schemas import Page
from strata_core.caching.kinds import CONFIGURATION
from strata_core.caching.read_through import Answer, Made, Question
from strata_core.caching.rules import key_of

T = TypeVar("T")
_LINK: Final = "link"


def kept_page(access: Access, listing: Listing, make: Callable[[], Page[T]]) -> Response:
    """For those who may see all of the list: the key names no scope. The link to the next page is a header, so it is
    kept in front of the body, up to the first line break."""

    def made() -> Made:
        page = make()
        link = listing.response.headers.get(_LINK, "")
        read_at_us = access.deps.clock.now_ns() // 1_000
        return Made(link.encode() + b"\n" + page.model_dump_json().encode(), read_at_us)

    url = listing.request.url
    key = key_of("page", listing.place.text(), url.path, url.query)
    kept = access.deps.answers.answer(Question(access.ctx.organization_id, CONFIGURATION, key), made)
    link, _, body = kept.body.partition(b"\n")
    response = json_of(Answer(body, kept.age_s, kept.is_stale, kept.outcome))
    if link:
        response.headers[_LINK] = link.decode()
    return response

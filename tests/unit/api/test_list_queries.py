"""Lists read their queries themselves: to whoever asks, nothing of it may be seen."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Query

from strata_api.list_queries import asked_by, documented
from strata_api.paging import PageQuery


class Colour(StrEnum):
    RED = "red"


class Asked(PageQuery):
    colour: Colour | None = None
    name: Annotated[str, Query(max_length=3)] | None = None
    kinds: Annotated[list[Colour], Query(description="May be repeated.")] = []  # noqa: RUF012 - pydantic copies it
    of: UUID | None = None


@pytest.fixture
def get() -> Callable[[str], httpx.Response]:
    app = FastAPI()

    @app.get("/ours", openapi_extra=documented(Asked))
    async def ours(asked: Annotated[Asked, asked_by(Asked)]) -> Asked:
        return asked

    @app.get("/fastapis")
    async def fastapis(asked: Annotated[Asked, Query()]) -> Asked:
        return asked

    async def ask(path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.get(path)

    return lambda path: asyncio.run(ask(path))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "limit=7&cursor=abc&colour=red&name=abc&kinds=red&kinds=red&of=00000000-0000-0000-0000-000000000001",
        "limit=1&limit=2",
        "name=&colour=&kinds=",
        "unknown=1",
        "name=%00&cursor=%ff",
        "limit=0",
        "limit=501&name=abcd",
        "limit=x&of=y&colour=blue&kinds=red&kinds=blue",
        "limit=1.5",
        "limit=%2010%20",
    ],
)
def test_answers_and_refusals_are_those_of_fastapi(get: Callable[[str], httpx.Response], query: str) -> None:
    ours, fastapis = get(f"/ours?{query}"), get(f"/fastapis?{query}")
    assert (ours.status_code, ours.json()) == (fastapis.status_code, fastapis.json())


def test_the_document_is_that_of_fastapi(get: Callable[[str], httpx.Response]) -> None:
    paths = get("/openapi.json").json()["paths"]
    assert paths["/ours"]["get"]["parameters"] == paths["/fastapis"]["get"]["parameters"]

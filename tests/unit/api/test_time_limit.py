"""The request's time limit, around applications that answer, dawdle, fail and stream."""

import asyncio

import pytest

from strata_api.middleware.time_limit import TimeLimit
from strata_datamodel.errors import DeadlineError

SCOPE = {"type": "http", "method": "GET", "path": "/"}
START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"x"}


async def receive():
    return {"type": "http.request"}


def call(app, timeout_s: float = 0.05) -> list[dict]:
    sent: list[dict] = []

    async def send(message) -> None:
        sent.append(message)

    asyncio.run(TimeLimit(app, timeout_s=timeout_s)(SCOPE, receive, send))
    return sent


def test_an_answer_in_time_goes_through():
    async def app(scope, receive, send):
        await send(START)
        await send(BODY)

    assert call(app) == [START, BODY]


def test_a_late_answer_is_a_deadline_and_nothing_of_it_is_sent():
    sent: list[dict] = []

    async def app(scope, receive, send):
        await asyncio.Event().wait()

    async def send(message) -> None:
        sent.append(message)

    with pytest.raises(DeadlineError) as raised:
        asyncio.run(TimeLimit(app, timeout_s=0.01)(SCOPE, receive, send))
    assert raised.value.code == "request_timeout"
    assert sent == []


def test_what_comes_after_giving_up_is_dropped():
    sent: list[dict] = []
    gone_on, finished = asyncio.Event(), asyncio.Event()

    async def app(scope, receive, send):
        await gone_on.wait()
        await send(START)
        finished.set()

    async def send(message) -> None:
        sent.append(message)

    async def story() -> None:
        with pytest.raises(DeadlineError):
            await TimeLimit(app, timeout_s=0.01)(SCOPE, receive, send)
        gone_on.set()
        await finished.wait()

    asyncio.run(story())
    assert sent == []


def test_an_answer_that_has_begun_is_not_cut_off():
    released = asyncio.Event()

    async def app(scope, receive, send):
        await send(START)
        asyncio.get_running_loop().call_later(0.05, released.set)
        await released.wait()
        await send(BODY)

    assert call(app, timeout_s=0.01) == [START, BODY]


def test_a_failure_in_time_is_the_callers():
    async def app(scope, receive, send):
        raise LookupError

    with pytest.raises(LookupError):
        call(app)

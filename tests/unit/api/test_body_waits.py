"""A body has its time once, whoever waits for it."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from strata_api.middleware.bodies import BodyLimits, note_waited
from strata_datamodel.errors import DeadlineError


async def unread(_: Scope, __: Receive, ___: Send) -> None:
    raise AssertionError("the body did not come")


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("nothing comes")


async def nowhere(_: Message) -> None:
    raise AssertionError("nothing is answered here")


def test_time_that_was_waited_before_is_gone() -> None:
    async def scene() -> None:
        scope: Scope = {"type": "http", "headers": [(b"content-length", b"9")], "state": {}}
        note_waited(scope, 30.0)
        async with asyncio.timeout(5):
            with pytest.raises(DeadlineError, match="in time"):
                await BodyLimits(unread, timeout_s=30.0)(scope, never, nowhere)

    asyncio.run(scene())

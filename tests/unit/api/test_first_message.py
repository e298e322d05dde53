"""The first message of a request, there or not."""

import asyncio

import pytest
from starlette.types import Message

from strata_api.middleware.first_message import FirstMessage

MESSAGE: Message = {"type": "http.request", "body": b"all of it", "more_body": False}


async def given(message: asyncio.Future[Message]) -> Message:
    return await message


def test_a_message_that_is_there_is_given_without_a_turn_of_the_loop() -> None:
    async def at_once() -> Message:
        return MESSAGE

    with pytest.raises(StopIteration) as there:
        next(iter(FirstMessage(at_once, 60.0).__await__()))
    assert there.value.value == MESSAGE


def test_a_message_that_comes_later_is_waited_for() -> None:
    async def asked() -> Message:
        loop = asyncio.get_running_loop()
        coming: list[asyncio.Future[Message]] = [loop.create_future(), loop.create_future()]

        async def in_two_steps() -> Message:
            await given(coming[0])
            return await given(coming[1])

        loop.call_soon(coming[0].set_result, {})
        loop.call_later(0.01, coming[1].set_result, MESSAGE)
        return await FirstMessage(in_two_steps, 60.0)

    assert asyncio.run(asked()) == MESSAGE


def test_a_message_that_does_not_come_is_a_time_out_and_nobody_waits_for_it_any_more() -> None:
    async def asked() -> bool:
        never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        with pytest.raises(TimeoutError):
            await FirstMessage(lambda: given(never), 0.01)
        return never.cancelled()

    assert asyncio.run(asked())


def test_what_goes_wrong_at_once_or_later_is_told() -> None:
    async def asked() -> None:
        broken: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(broken.set_exception, ConnectionError("later"))
        with pytest.raises(ConnectionError, match="later"):
            await FirstMessage(lambda: given(broken), 60.0)
        with pytest.raises(ConnectionError, match="later"):
            await FirstMessage(lambda: given(broken), 60.0)

    asyncio.run(asked())


def test_one_who_is_cancelled_waits_no_more() -> None:
    async def asked() -> bool:
        never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        async def asking() -> Message:
            return await FirstMessage(lambda: given(never), 60.0)

        task = asyncio.create_task(asking())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return never.cancelled()

    assert asyncio.run(asked())

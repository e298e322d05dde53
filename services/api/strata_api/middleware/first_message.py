"""A request's first message, with a time limit only where it is not there yet: a timer that is set and taken back costs
a request that is all there as much as recognising its caller."""

import asyncio
from collections.abc import Generator
from typing import Any

from starlette.types import Message, Receive

_Steps = Generator[Any, None, Message]


class FirstMessage:
    """Awaited, gives the message. Raises TimeoutError."""

    __slots__ = ("_receive", "_timeout_s")

    def __init__(self, receive: Receive, timeout_s: float) -> None:
        self._receive = receive
        self._timeout_s = timeout_s

    def __await__(self) -> _Steps:
        steps: _Steps = self._receive().__await__()
        try:
            waited_for = next(steps)
        except StopIteration as there:
            message: Message = there.value
            return message
        return (yield from _within(self._timeout_s, _Rest(waited_for, steps)).__await__())


class _Rest:
    """Goes on with what is waiting for something already, and passes on what is thrown into it."""

    __slots__ = ("_steps", "_waited_for")

    def __init__(self, waited_for: object, steps: _Steps) -> None:
        self._waited_for = waited_for
        self._steps = steps

    def __await__(self) -> _Steps:
        waited_for = self._waited_for
        try:
            while True:
                try:
                    yield waited_for
                except BaseException as error:  # noqa: BLE001 - a cancellation above all
                    waited_for = self._steps.throw(error)
                else:
                    waited_for = next(self._steps)
        except StopIteration as there:
            message: Message = there.value
            return message


async def _within(timeout_s: float, rest: _Rest) -> Message:
    async with asyncio.timeout(timeout_s):
        return await rest

"""Full disks, and clients that send until they are put off."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import httpx

PUT_OFF: Final = {429, 503}
MOST: Final = 200

Send = Callable[[int], httpx.Response]


def until_put_off(send: Send, first: int = 0) -> list[int]:
    """The numbers of what was accepted."""
    for number in range(first, first + MOST):
        answer = send(number)
        if answer.is_error:
            assert answer.status_code in PUT_OFF, answer.text
            assert int(answer.headers["retry-after"]) >= 1
            return list(range(first, number))
    raise AssertionError("nobody was put off")


@contextmanager
def files_that_may_not_grow(pid: int, past: int = 0) -> Iterator[None]:
    """What a process sees of a full disk, but for which error it is: each file may have `past` bytes."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (past, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

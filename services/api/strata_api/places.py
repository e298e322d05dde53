"""Places for requests in work: so many each owner may have at once. Waiting for one costs no thread."""

import asyncio
import threading
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class _Waiter:
    loop: asyncio.AbstractEventLoop
    called: asyncio.Future[None]
    has_place: bool = False

    def call(self) -> None:
        if not self.called.done():
            self.called.set_result(None)


class Places:
    """Of one process, whatever event loops it has. A place that is left goes to the owner's request that waits the
    longest; `waiting` of an owner's may wait, each for `wait_s`."""

    def __init__(self, size: int, *, waiting: int, wait_s: float) -> None:
        self._size = size
        self._waiting = waiting
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._taken: dict[Hashable, int] = {}
        self._queues: dict[Hashable, deque[_Waiter]] = {}

    async def take(self, owner: Hashable) -> bool:
        """Whether there was one in time. Who got one has to leave it."""
        with self._lock:
            taken = self._taken.get(owner, 0)
            if taken < self._size:
                self._taken[owner] = taken + 1
                return True
            queue = self._queues.setdefault(owner, deque())
            if len(queue) >= self._waiting:
                return False
            loop = asyncio.get_running_loop()
            waiter = _Waiter(loop, loop.create_future())
            queue.append(waiter)
        try:
            async with asyncio.timeout(self._wait_s):
                await waiter.called
        except TimeoutError:
            return self._given_up(owner, waiter)
        except asyncio.CancelledError:
            if self._given_up(owner, waiter):
                self.leave(owner)
            raise
        return True

    def leave(self, owner: Hashable) -> None:
        with self._lock:
            queue = self._queues.get(owner)
            if queue:
                waiter = queue.popleft()
                waiter.has_place = True
                self._drop_empty(owner, queue)
                waiter.loop.call_soon_threadsafe(waiter.call)
            elif self._taken[owner] == 1:
                del self._taken[owner]
            else:
                self._taken[owner] -= 1

    def _given_up(self, owner: Hashable, waiter: _Waiter) -> bool:
        """Whether the place came at this very moment."""
        with self._lock:
            if waiter.has_place:
                return True
            queue = self._queues[owner]
            queue.remove(waiter)
            self._drop_empty(owner, queue)
            return False

    def _drop_empty(self, owner: Hashable, queue: deque[_Waiter]) -> None:
        if not queue:
            del self._queues[owner]

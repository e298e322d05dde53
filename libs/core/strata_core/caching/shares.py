"""Room for so many at once, of which nobody holds more than a share."""

import threading
from collections import Counter
from collections.abc import Hashable


class Shares:
    """`size` at once, `each` of one owner. Owners that hold none go before those that hold some."""

    def __init__(self, size: int, each: int) -> None:
        self._size = size
        self._each = each
        self._changed = threading.Condition()
        self._held: Counter[Hashable] = Counter()
        self._waiting: Counter[Hashable] = Counter()

    @property
    def waiting(self) -> int:
        return self._waiting.total()

    def acquire(self, owner: Hashable, timeout_s: float) -> bool:
        with self._changed:
            self._waiting[owner] += 1
            has_room = self._changed.wait_for(lambda: self._may(owner), timeout_s)
            _less(self._waiting, owner)
            if has_room:
                self._held[owner] += 1
            self._changed.notify_all()  # those who let this one go first
            return has_room

    def release(self, owner: Hashable) -> None:
        with self._changed:
            _less(self._held, owner)
            self._changed.notify_all()

    def _may(self, owner: Hashable) -> bool:
        if self._held.total() >= self._size or self._held[owner] >= self._each:
            return False
        return self._held[owner] == 0 or all(self._held[other] for other in self._waiting)


def _less(counter: Counter[Hashable], owner: Hashable) -> None:
    counter[owner] -= 1
    if not counter[owner]:
        del counter[owner]

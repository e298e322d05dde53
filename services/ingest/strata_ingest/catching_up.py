"""Senders wait a moment while the writer is far behind: what does not fit into the hand-over any more it would have to
parse anew, which takes the time that it lacks."""

import asyncio
from typing import Final, Protocol

_PAUSE_S: Final = 0.01
_PAUSES: Final = 25


class Behind(Protocol):
    """A hand-over."""

    @property
    def is_crowded(self) -> bool: ...

    @property
    def taken(self) -> int:
        """How many it has handed over, ever."""
        ...


class CatchingUp:
    """Lives on one event loop. A writer that takes nothing at all, since its store is down, is not waited for: the
    spool is there for that."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind
        self._stalled_at: int | None = None

    async def pause(self) -> None:
        """A quarter of a second at most."""
        taken = self._behind.taken
        if self._has_room() or taken == self._stalled_at:
            return
        for _ in range(_PAUSES):
            await asyncio.sleep(_PAUSE_S)
            if self._has_room():
                return
        if self._behind.taken == taken:
            self._stalled_at = taken

    def _has_room(self) -> bool:
        return not self._behind.is_crowded

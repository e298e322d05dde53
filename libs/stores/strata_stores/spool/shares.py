"""How much of a spool each organization holds, and when that is enough."""

import threading
from collections.abc import Iterable
from typing import Final
from uuid import UUID

import msgspec

from strata_datamodel.errors import LimitError

_TIMES_WHAT_IS_FREE: Final = 3
_RETRY_S: Final = 5

Owner = UUID | None
"""None for a record whose envelope is damaged: it is nobody's, and takes room all the same."""


class _Owned(msgspec.Struct):
    organization_id: UUID


_decode = msgspec.msgpack.Decoder(_Owned).decode


def owner_of(envelope: bytes) -> Owner:
    try:
        return _decode(envelope).organization_id
    except msgspec.MsgspecError:
        return None


class Shares:
    """Thread-safe; nothing else is locked while its lock is held. Who fills the spool narrows their own share, and
    always leaves room for others, without anybody having to know how many there are."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._held: dict[Owner, int] = {}
        self._total = 0
        self.refusals = 0

    def take(self, owner: UUID, size_bytes: int) -> None:
        with self._lock:
            held = self._held.get(owner, 0)
            free = self._max_bytes - self._total - size_bytes
            # One record anybody may have, however large: to be told to come again would never end.
            if held and held + size_bytes > _TIMES_WHAT_IS_FREE * free:
                self.refusals += 1
                raise LimitError(
                    "too much of this organization waits for the stores, which are down or too slow",
                    code="spool_share",
                    hint=f"the limit spool_share is {_TIMES_WHAT_IS_FREE} times what is free in the ingest spool",
                    retry_after_s=_RETRY_S,
                )
            self._add(owner, size_bytes)

    def restore(self, records: Iterable[tuple[Owner, int]]) -> None:
        """What an opening found. It may be more than a share: the capacity may have been larger before."""
        with self._lock:
            for owner, size_bytes in records:
                self._add(owner, size_bytes)

    def give_back(self, records: Iterable[tuple[Owner, int]]) -> None:
        with self._lock:
            for owner, size_bytes in records:
                self._add(owner, -size_bytes)

    def _add(self, owner: Owner, size_bytes: int) -> None:
        self._total += size_bytes
        held = self._held.get(owner, 0) + size_bytes
        if held:
            self._held[owner] = held
        else:
            self._held.pop(owner, None)

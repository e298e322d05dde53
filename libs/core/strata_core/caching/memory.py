"""A process' own small copy of what it was asked for last."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from strata_core.ports.cache import Entry
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB

_MAX_BYTES: Final = 32 * MIB
_MAX_ENTRIES: Final = 4_096
_SLOTS: Final = 1_024

Place = tuple[OrganizationId, str, str]
"""Organization, kind, key."""


@dataclass(frozen=True, slots=True)
class Held:
    """`checked_s` is when the shared cache, or the origin, last said that it counts, and `generation` the one in which
    it did; None when nobody could tell."""

    entry: Entry
    checked_s: float
    epoch: int
    generation: bytes | None


class Memory:
    """Ending a kind raises its epoch: what was read before is neither found nor kept. Several kinds may share an epoch,
    which costs them an answer and nothing else."""

    def __init__(self, *, max_bytes: int = _MAX_BYTES, max_entries: int = _MAX_ENTRIES) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._held: OrderedDict[Place, Held] = OrderedDict()
        self._bytes = 0
        self._epochs = [0] * _SLOTS

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def epoch(self, organization_id: OrganizationId, kind: str) -> int:
        return self._epochs[hash((organization_id, kind)) % _SLOTS]

    def end(self, organization_id: OrganizationId, kind: str) -> None:
        with self._lock:
            self._epochs[hash((organization_id, kind)) % _SLOTS] += 1

    def find(self, place: Place) -> Held | None:
        held = self._held.get(place)
        return held if held is not None and held.epoch == self.epoch(place[0], place[1]) else None

    def keep(self, place: Place, held: Held) -> None:
        """Nothing when the kind has ended since `held.epoch`, or a newer version is held."""
        size = len(held.entry.body)
        if size > self._max_bytes // 8:
            return
        with self._lock:
            if held.epoch != self.epoch(place[0], place[1]):
                return
            old = self._held.get(place)
            if old is not None and old.epoch == held.epoch and old.entry.version > held.entry.version:
                return
            self._drop(place)
            self._held[place] = held
            self._bytes += size
            while self._bytes > self._max_bytes or len(self._held) > self._max_entries:
                self._drop(next(iter(self._held)))

    def _drop(self, place: Place) -> None:
        held = self._held.pop(place, None)
        if held is not None:
            self._bytes -= len(held.entry.body)

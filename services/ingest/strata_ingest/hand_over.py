"""From the edge to the writers past the spool: what was parsed already need not be parsed again.

The spool stays the only truth. What is not here (after a restart, when the writers lag, on a second reading) is parsed
from its record, which gives the same batch.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Generic

from strata_datamodel.ids import BatchId
from strata_datamodel.limits import MIB
from strata_datamodel.logs import LogBatch
from strata_datamodel.metrics import PointBatch
from strata_datamodel.spooling import Envelope, SpoolPosition, SpoolRecord
from strata_ingest.arrivals import B
from strata_ingest.registered import RegisteredSeries
from strata_wire.known_series import KnownSeries

_LIMIT_BYTES: Final = 64 * MIB
_CROWDED: Final = 0.75

# What batches take in CPython 3.11, about: tests compare them with what is allocated.
_BATCH_BYTES: Final = 2_000
_POINT_BYTES: Final = 20
_SERIES_BYTES: Final = 300
_EVENT_BYTES: Final = 1_000
_MEMBER_BYTES: Final = 70
_BYTES_PER_BYTE: Final = 2


@dataclass(frozen=True, slots=True)
class _Entry(Generic[B]):
    envelope: Envelope
    batch: B
    size_bytes: int


class HandOver(Generic[B]):
    """Thread-safe and bounded: offers beyond its bytes are not kept. A batch is here from before its record can be
    read, so the writer cannot come too early, and goes when it is taken, refused by the spool, or passed by."""

    def __init__(self, weigh: Callable[[bytes, B], int], limit_bytes: int = _LIMIT_BYTES) -> None:
        self._weigh = weigh
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._entries: dict[BatchId, _Entry[B]] = {}
        self._sequences: deque[tuple[int, BatchId]] = deque()
        self._passed = -1
        self.held_bytes = 0
        self.taken = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_crowded(self) -> bool:
        """Whether there soon will be no room."""
        return self.held_bytes > self._limit_bytes * _CROWDED

    def offer(self, envelope: Envelope, plain: bytes, batch: B) -> None:
        """Before the record goes to the spool. `batch` is what `plain` gives under this envelope."""
        if self.held_bytes >= self._limit_bytes:
            return
        entry = _Entry(envelope, batch, self._weigh(plain, batch))
        with self._lock:
            if self.held_bytes + entry.size_bytes <= self._limit_bytes:
                self._entries[envelope.batch_id] = entry
                self.held_bytes += entry.size_bytes

    def settle(self, batch_id: BatchId, appended: "Future[SpoolPosition]") -> None:
        """The append is over. A record that failed will never be read."""
        failed = appended.cancelled() or appended.exception() is not None
        with self._lock:
            if batch_id not in self._entries:
                return
            if failed or appended.result().sequence <= self._passed:
                self._drop(batch_id)
            else:
                self._sequences.append((appended.result().sequence, batch_id))

    def withdraw(self, batch_id: BatchId) -> None:
        with self._lock:
            self._drop(batch_id)

    def take(self, record: SpoolRecord) -> B | None:
        """Once: None the next time."""
        with self._lock:
            entry = self._drop(record.envelope.batch_id)
            if entry is None or entry.envelope != record.envelope:
                return None
            self.taken += 1
            return entry.batch

    def pass_by(self, sequence: int) -> None:
        """Nothing up to it will be read again: what is still here of it, as of a record that was damaged, can go."""
        with self._lock:
            self._passed = max(self._passed, sequence)
            while self._sequences and self._sequences[0][0] <= sequence:
                self._drop(self._sequences.popleft()[1])

    def _drop(self, batch_id: BatchId) -> _Entry[B] | None:
        entry = self._entries.pop(batch_id, None)
        if entry is not None:
            self.held_bytes -= entry.size_bytes
        return entry


def points_size(plain: bytes, batch: PointBatch) -> int:
    texts = sum(map(sys.getsizeof, batch.texts))
    return _BATCH_BYTES + _POINT_BYTES * len(batch) + _SERIES_BYTES * len(batch.series) + texts


def events_size(plain: bytes, batch: LogBatch) -> int:
    """Commas and brackets tell how many values the documents have: `[[],[]]` takes twenty times its bytes."""
    members = plain.count(b",") + plain.count(b"[") + plain.count(b"{")
    return _BATCH_BYTES + _EVENT_BYTES * len(batch.events) + _MEMBER_BYTES * members + _BYTES_PER_BYTE * len(plain)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the edge and the writers of a process have in common beside the spools."""

    points: HandOver[PointBatch] = field(default_factory=lambda: HandOver(points_size))
    events: HandOver[LogBatch] = field(default_factory=lambda: HandOver(events_size))
    series: KnownSeries = field(default_factory=KnownSeries)
    registered: RegisteredSeries = field(default_factory=RegisteredSeries)

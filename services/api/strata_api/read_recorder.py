"""Writes reads down in batches, off the request path.

The guarantee: no read is answered before its entry stands in the queue, and a clean stop writes the queue out. A killed
process loses what it queued since its last write, a second's worth while the database answers. When the queue is full,
as the database does not take entries, reads are refused: what cannot be logged is not shown.

A query that is asked again before its entry is taken to be written is counted there: a panel that is polled a thousand
times a second is one row a second, and a row once written is never changed.
"""

import threading
from collections import OrderedDict, deque
from datetime import datetime
from itertools import islice
from typing import Final
from uuid import UUID

import structlog

from strata_core.access_log.commands import Read, Repeated, rows_of, write_reads
from strata_core.access_log.rules import may_join, purpose_of
from strata_core.context import Context
from strata_core.ports.secret_box import SecretBox
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import StoreUnavailableError, StrataError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import ACCESS_LOG_PER_WRITE, ACCESS_LOG_QUEUED

log = structlog.get_logger(__name__)
PAUSE_S: Final = 1.0
_Reader = tuple[OrganizationId, str, UUID | None, str, str, str | None]


class ReadRecorder:
    """Its thread starts with the first read."""

    def __init__(
        self,
        units: UnitsOfWork,
        box: SecretBox,
        *,
        queued: int = ACCESS_LOG_QUEUED,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._units = units
        self._box = box
        self._limit = queued
        self._pause_s = pause_s
        self._queues: OrderedDict[OrganizationId, deque[Repeated]] = OrderedDict()
        self._open: dict[_Reader, Repeated] = {}
        self._queued = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def note_if_logged(self, ctx: Context, permission: str, operation: str, at: datetime) -> None:
        """What is let through by a permission whose use is logged. Raises as `note` does."""
        purpose = purpose_of(permission)
        if purpose is None:
            return
        actor = ctx.actor
        reader = (ctx.organization_id, actor.kind, actor.actor_id, actor.label, operation, ctx.remote_addr)
        if not self._joins(reader, purpose, at):
            who = (ctx.organization_id, at, actor.kind, actor.actor_id, actor.label)
            self.note(Read(*who, operation, purpose, ctx.request_id, ctx.remote_addr))

    def note(self, read: Read) -> None:
        """Raises StoreUnavailableError when the queue is full and holds no entry that the read can be counted in."""
        reader = _reader(read)
        if self._joins(reader, read.purpose, read.at):
            return
        with self._lock:
            if self._queued >= self._limit:
                raise StoreUnavailableError("postgres", "reads cannot be logged, so they are refused")
            entry = Repeated(read, read.at)
            self._queues.setdefault(read.organization_id, deque()).append(entry)
            self._open[reader] = entry
            self._queued += 1
            is_full_batch = self._queued >= ACCESS_LOG_PER_WRITE
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="read-recorder", daemon=True)
                self._thread.start()
        if is_full_batch:
            self._wake.set()

    def flush(self) -> None:
        """Writes what is queued. Raises what the database raises: then all that was not surely written stays queued, so
        that an entry may come to stand there twice, but not to be missing."""
        with self._writing:
            while batch := self._batch():
                organization_id = batch[0].first.organization_id
                rows = rows_of(self._box, batch)
                with self._units.organization(organization_id) as uow:
                    write_reads(uow, rows)
                self._forget(organization_id, len(batch))

    def close(self) -> None:
        """Idempotent. Tries once more to write, and says how much it could not."""
        self._is_closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self.flush()
        except StrataError as error:
            log.warning("reads_not_logged", count=self._queued, reason=error.detail)

    def _run(self) -> None:
        while not self._is_closed:
            self._wake.wait(self._pause_s)
            self._wake.clear()
            try:
                self.flush()
            except Exception as error:  # noqa: BLE001
                # The loop outlives any failure: what is queued is tried again; once no more fits, reads are refused.
                log.warning("reads_wait_to_be_logged", count=self._queued, reason=type(error).__name__)

    def _joins(self, reader: _Reader, purpose: str, at: datetime) -> bool:
        with self._lock:
            entry = self._open.get(reader)
            if entry is None or not may_join(purpose, entry.first.at, at):
                return False
            entry.times += 1
            entry.last_at = max(entry.last_at, at)
            return True

    def _batch(self) -> list[Repeated]:
        """Of one organization. It stays queued until it is written, and is counted up no more."""
        with self._lock:
            first = next(iter(self._queues.values()), ())
            batch = list(islice(first, ACCESS_LOG_PER_WRITE))
            for entry in batch:
                reader = _reader(entry.first)
                if self._open.get(reader) is entry:
                    del self._open[reader]
            return batch

    def _forget(self, organization_id: OrganizationId, count: int) -> None:
        with self._lock:
            queue = self._queues.pop(organization_id)
            for _ in range(count):
                queue.popleft()
            self._queued -= count
            if queue:
                self._queues[organization_id] = queue  # behind the others: one that reads much does not hold them up


def _reader(read: Read) -> _Reader:
    return read.organization_id, read.actor_kind, read.actor_id, read.actor_label, read.operation, read.address

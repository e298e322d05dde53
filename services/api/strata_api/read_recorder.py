"""Writes reads down in batches, off the request path.

The guarantee: no read is answered before its entry stands in the queue, and a clean stop writes the queue out. A killed
process loses what it queued since its last write, a second's worth while the database answers. When the queue is full,
as the database does not take entries, reads are refused: what cannot be logged is not shown.
"""

import threading
from collections import OrderedDict, deque
from datetime import datetime
from itertools import islice
from typing import Final

import structlog

from strata_core.access_log.commands import Read, rows_of, write_reads
from strata_core.access_log.rules import purpose_of
from strata_core.context import Context
from strata_core.ports.secret_box import SecretBox
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import StoreUnavailableError, StrataError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import ACCESS_LOG_PER_WRITE, ACCESS_LOG_QUEUED

log = structlog.get_logger(__name__)
PAUSE_S: Final = 1.0


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
        self._queues: OrderedDict[OrganizationId, deque[Read]] = OrderedDict()
        self._queued = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def note_if_logged(self, ctx: Context, permission: str, operation: str, at: datetime) -> None:
        """What is let through by a permission whose use is logged. Raises as `note` does."""
        purpose = purpose_of(permission)
        if purpose is not None:
            actor = ctx.actor
            who = (ctx.organization_id, at, actor.kind, actor.actor_id, actor.label)
            self.note(Read(*who, operation, purpose, ctx.request_id, ctx.remote_addr))

    def note(self, read: Read) -> None:
        """Raises StoreUnavailableError when the queue is full."""
        with self._lock:
            if self._queued >= self._limit:
                raise StoreUnavailableError("postgres", "reads cannot be logged, so they are refused")
            self._queues.setdefault(read.organization_id, deque()).append(read)
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
                organization_id = batch[0].organization_id
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

    def _batch(self) -> list[Read]:
        """Of one organization. It stays queued until it is written."""
        with self._lock:
            first = next(iter(self._queues.values()), ())
            return list(islice(first, ACCESS_LOG_PER_WRITE))

    def _forget(self, organization_id: OrganizationId, count: int) -> None:
        with self._lock:
            queue = self._queues.pop(organization_id)
            for _ in range(count):
                queue.popleft()
            self._queued -= count
            if queue:
                self._queues[organization_id] = queue  # behind the others: one that reads much does not hold them up

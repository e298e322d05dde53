"""An RQ worker that can do one thing: hand an outbox id, whose tag verifies, to a function given at start.

RQ is a doorbell here. What a job says to import or call is never looked at, so that whoever can write to Redis can at
worst ring for a row that exists. Work runs in this thread: no forked work-horse outlives its parent, and no promise is
lost with it, since the row stands in PostgreSQL and its lease runs out.
"""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import structlog
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.timeouts import TimerDeathPenalty

from strata_core.outbox.ringing import FUNCTION, verify
from strata_datamodel.errors import StrataError
from strata_datamodel.ids import OutboxId

log = structlog.get_logger(__name__)
WORKER_TTL_S: Final = 30
_IDLE_S: Final = 1


class DoorbellWorker(SimpleWorker):
    death_penalty_class = TimerDeathPenalty  # signals, RQ's default, work in the main thread only
    max_connection_wait_time = 2.0  # RQ's minute would be slept through, deaf to rings and to a stop

    def __init__(
        self, queue: Queue, answer: Callable[[OutboxId], bool], ring_key: bytes, *, beat: Callable[[], None]
    ) -> None:
        super().__init__([queue], connection=queue.connection, serializer=queue.serializer, worker_ttl=WORKER_TTL_S)
        self._answer = answer
        self._ring_key = ring_key
        self._beat = beat
        self.refused = 0

    def ask_to_stop(self) -> None:
        """Ends `work` after the job under way, within two seconds when idle."""
        self._stop_requested = True

    def _install_signal_handlers(self) -> None:
        """The process that this thread lives in decides about signals."""

    def subscribe(self) -> None:
        """No commands over Redis: nobody there may stop a worker."""

    def unsubscribe(self) -> None:
        """Nothing was subscribed."""

    def check_for_suspension(self, burst: bool) -> None:  # noqa: FBT001 - RQ's signature
        """No suspending either: it is a key that anybody there can write."""

    @property
    def should_run_maintenance_tasks(self) -> bool:
        """Never: RQ's upkeep of its registries imports and calls what abandoned jobs name, and rings expire anyway."""
        return False

    @property
    def dequeue_timeout(self) -> int:
        return _IDLE_S

    def dequeue_job_and_maintain_ttl(self, timeout: int | None, max_idle_time: int | None = None) -> Any:
        del max_idle_time
        while not self._stop_requested:
            self._beat()
            found = super().dequeue_job_and_maintain_ttl(timeout, _IDLE_S)
            if found is not None:
                return found
        return None

    def execute_job(self, job: Job, queue: Queue) -> None:
        outbox_id = self._outbox_id(job)
        try:
            self.connection.lrem(queue.intermediate_queue_key, 1, job.id)
            job.delete(remove_from_queue=False)
        except Exception as error:  # noqa: BLE001 - what is left there expires, and a store that is away is no news here
            log.warning("ring_not_removed", reason=type(error).__name__)
        if outbox_id is None:
            self.refused += 1
            log.warning("ring_refused", job=str(job.id)[:64])
            return
        try:
            self._answer(outbox_id)
        except StrataError as error:
            log.warning("ring_not_answered", outbox=str(outbox_id), reason=error.detail)

    def _outbox_id(self, job: Job) -> OutboxId | None:
        """None unless the job names the one function and one id, under a tag that verifies."""
        try:
            argument, tag = (str(part) for part in job.args)
            outbox_id = OutboxId(UUID(argument))
            is_ours = job.func_name == FUNCTION and verify(self._ring_key, outbox_id, tag)
        except Exception as error:  # noqa: BLE001 - RQ's readers fail in ways of their own
            # On what a forger wrote, and on what a flush left of a ring that was on its way.
            log.warning("ring_unreadable", reason=type(error).__name__)
            return None
        return outbox_id if is_ours else None

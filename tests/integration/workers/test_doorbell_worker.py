"""What whoever can write to Valkey cannot do: run code in a worker, or keep it from answering."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from rq import Callback, Queue
from rq.suspension import WORKERS_SUSPENDED
from structlog.testing import capture_logs

from fakes import forged_callback
from strata_datamodel.ids import OutboxId
from strata_stores.clock import SystemClock
from strata_stores.redis.doorbell import RqDoorbell
from strata_workers.rq_worker import DoorbellWorker
from waiting import eventually

RING_KEY = b"r" * 32


@pytest.fixture
def bell(embedded_valkey) -> Iterator[RqDoorbell]:
    bell = RqDoorbell(embedded_valkey.url(), SystemClock(), ring_key=RING_KEY, queue_name=f"q-{uuid4().hex}")
    yield bell
    bell.close()


@pytest.fixture
def queue(bell) -> Iterator[Queue]:
    queue = bell.worker_queue()
    yield queue
    queue.connection.close()


@contextmanager
def at_work(queue: Queue) -> Iterator[list[OutboxId]]:
    answered: list[OutboxId] = []
    worker = DoorbellWorker(queue, lambda ring: bool(answered.append(ring)), RING_KEY, beat=lambda: None)
    thread = threading.Thread(target=worker.work, kwargs={"logging_level": "WARNING"})
    thread.start()
    try:
        yield answered
    finally:
        worker.ask_to_stop()
        thread.join(10)
        assert not thread.is_alive()


def test_an_abandoned_job_in_a_registry_makes_no_worker_call_what_it_names(bell, queue):
    forged_callback.CALLS.clear()
    job = queue.enqueue_call("os.getpid", on_failure=Callback(forged_callback.called))
    queue.connection.lrem(queue.key, 0, job.id)
    queue.connection.zadd(f"rq:wip:{queue.name}", {f"{job.id}:1": 1})
    with at_work(queue) as answered:
        outbox_id = OutboxId(uuid4())
        assert bell.ring(outbox_id)
        eventually(lambda: answered == [outbox_id])
    assert forged_callback.CALLS == []


def test_a_worker_that_somebody_suspends_answers_all_the_same(bell, queue):
    queue.connection.set(WORKERS_SUSPENDED, 1)
    try:
        with at_work(queue) as answered:
            outbox_id = OutboxId(uuid4())
            assert bell.ring(outbox_id)
            eventually(lambda: answered == [outbox_id])
    finally:
        queue.connection.delete(WORKERS_SUSPENDED)


def test_a_ring_of_which_a_flush_left_half_is_a_line_and_no_traceback(bell, queue):
    halved, whole = OutboxId(uuid4()), OutboxId(uuid4())
    assert bell.ring(halved)
    (job_id,) = queue.job_ids
    queue.connection.hset(f"rq:job:{job_id}", "data", b"")
    assert bell.ring(whole)
    with capture_logs() as lines, at_work(queue) as answered:
        eventually(lambda: answered == [whole])
    told = [line for line in lines if line["event"] == "ring_unreadable"]
    assert len(told) == 1
    assert "exc_info" not in told[0]

"""What every Doorbell promises, and how RQ's behaves under faults."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from rq import Queue

from faults.kinds import BlackHole, Refuse
from fixtures.fault_proxies import MakeProxy
from strata_core.outbox.ringing import FUNCTION, verify
from strata_core.ports.doorbell import Doorbell
from strata_datamodel.ids import OutboxId
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.null.doorbell import NullDoorbell
from strata_stores.redis.doorbell import RqDoorbell
from waiting import eventually

KEY = b"k" * 32
TIMEOUTS = {"connect_timeout_s": 1.0, "timeout_s": 2.0}


def outbox_id() -> OutboxId:
    return OutboxId(uuid4())


@pytest.fixture(params=["valkey", "null"])
def doorbell(request: pytest.FixtureRequest) -> Iterator[Doorbell]:
    bell: Doorbell = NullDoorbell()
    if request.param == "valkey":
        bell = request.getfixturevalue("rq_doorbell")
    yield bell
    bell.close()


@pytest.fixture
def rq_doorbell(embedded_valkey: EmbeddedValkey) -> Iterator[RqDoorbell]:
    bell = RqDoorbell(
        embedded_valkey.url(),
        SystemClock(),
        ring_key=KEY,
        queue_name=f"test-{uuid4()}",
        max_waiting=5,
        **TIMEOUTS,
    )
    yield bell
    bell.close()


@pytest.fixture
def queue(rq_doorbell: RqDoorbell) -> Iterator[Queue]:
    queue = rq_doorbell.worker_queue()
    yield queue
    queue.connection.close()


def test_ringing_tells_whether_it_was_handed_over(doorbell: Doorbell) -> None:
    assert doorbell.ring(outbox_id()) == isinstance(doorbell, RqDoorbell)


def test_depth_is_a_number_or_unknown(doorbell: Doorbell) -> None:
    assert doorbell.depth() == (0 if isinstance(doorbell, RqDoorbell) else None)


def test_health_answers(doorbell: Doorbell) -> None:
    assert doorbell.health().store == "doorbell"
    assert doorbell.health().is_ready


def test_a_ring_names_one_function_one_id_and_a_tag_that_verifies(rq_doorbell: RqDoorbell, queue: Queue) -> None:
    rung = outbox_id()
    assert rq_doorbell.ring(rung)
    assert rq_doorbell.depth() == 1
    (job,) = queue.jobs
    assert job.func_name == FUNCTION
    argument, tag = job.args
    assert UUID(argument) == rung
    assert verify(KEY, rung, tag)
    assert not job.kwargs


def test_a_ring_leaves_no_result_retry_callback_or_lasting_key(rq_doorbell: RqDoorbell, queue: Queue) -> None:
    rq_doorbell.ring(outbox_id())
    (job,) = queue.jobs
    assert job.result_ttl == 0
    assert job.retries_left is None
    assert job._success_callback_name is None
    assert job._failure_callback_name is None
    assert 0 < queue.connection.ttl(job.key) <= 60
    assert queue.serializer.__name__ == "JSONSerializer"
    assert b"pickle" not in queue.connection.hget(job.key, "data")


def test_doubled_rings_are_both_accepted(rq_doorbell: RqDoorbell, queue: Queue) -> None:
    rung = outbox_id()
    assert rq_doorbell.ring(rung)
    assert rq_doorbell.ring(rung)
    assert rq_doorbell.depth() == 2


def test_without_a_worker_the_queue_does_not_grow_for_ever(rq_doorbell: RqDoorbell, queue: Queue) -> None:
    rung = [outbox_id() for _ in range(8)]
    assert [rq_doorbell.ring(one) for one in rung] == [True] * 5 + [False] * 3
    assert rq_doorbell.depth() == 5
    assert [UUID(job.args[0]) for job in queue.jobs] == rung[:5]
    assert rq_doorbell.not_rung_total == 3


@pytest.mark.parametrize("fault", [Refuse(), BlackHole()], ids=repr)
def test_a_bell_that_is_down_says_so_quickly_and_rings_again_after(
    fault_proxy: MakeProxy, embedded_valkey: EmbeddedValkey, fault: Refuse
) -> None:
    proxy = fault_proxy(Path(embedded_valkey.socket_path))
    breaker = Breaker("redis", SystemClock(), open_s=0.05, max_open_s=0.05)
    bell = RqDoorbell(
        f"redis://{proxy.address}",
        SystemClock(),
        ring_key=KEY,
        breaker=breaker,
        queue_name=f"test-{uuid4()}",
        connect_timeout_s=0.2,
        timeout_s=0.2,
    )
    eventually(lambda: bell.ring(outbox_id()))
    proxy.set(fault)
    started_s = SystemClock().monotonic_s()
    assert not any(bell.ring(outbox_id()) for _ in range(20))
    assert SystemClock().monotonic_s() - started_s < 6
    assert bell.depth() is None
    assert bell.not_rung_total >= 20
    assert not bell.health().is_ready
    proxy.heal()
    eventually(lambda: bell.ring(outbox_id()))
    bell.close()

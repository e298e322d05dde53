"""What every LiveBus promises, and what Redis' must do when its server does not."""

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from faults.kinds import BlackHole, Latency, Refuse, Reset
from fixtures.fault_proxies import MakeProxy
from strata_core.ports.live_bus import LiveBus
from strata_datamodel.ids import OrganizationId
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.null.live_bus import NullLiveBus
from strata_stores.redis.live_bus import RedisLiveBus
from waiting import eventually

TIMEOUTS = {"connect_timeout_s": 1.0, "timeout_s": 2.0}
PATIENCE_S = 5.0


@pytest.fixture
def organization() -> OrganizationId:
    return OrganizationId(uuid4())


@pytest.fixture(params=["valkey", "null"])
def bus(request: pytest.FixtureRequest) -> Iterator[LiveBus]:
    bus: LiveBus = NullLiveBus()
    if request.param == "valkey":
        bus = RedisLiveBus(request.getfixturevalue("embedded_valkey").url(), SystemClock(), **TIMEOUTS)
    yield bus
    bus.close()


@pytest.fixture
def redis_bus(embedded_valkey: EmbeddedValkey) -> Iterator[RedisLiveBus]:
    bus = RedisLiveBus(embedded_valkey.url(), SystemClock(), **TIMEOUTS)
    yield bus
    bus.close()


def test_where_nothing_was_published_nothing_comes_and_the_wait_is_kept(
    bus: LiveBus, organization: OrganizationId
) -> None:
    with bus.subscribe(organization, "alerts") as subscription:
        started_s = SystemClock().monotonic_s()
        assert subscription.next(0.2) is None
        assert 0.15 <= SystemClock().monotonic_s() - started_s < 2


def test_publishing_to_nobody_does_no_harm(bus: LiveBus, organization: OrganizationId) -> None:
    bus.publish(organization, "alerts", b"")


def test_closing_ends_the_wait_of_subscribers(bus: LiveBus, organization: OrganizationId) -> None:
    ended = threading.Event()

    def wait() -> None:
        with bus.subscribe(organization, "alerts") as subscription:
            while not bus_closed.is_set():
                subscription.next(0.1)
        ended.set()

    bus_closed = threading.Event()
    waiter = threading.Thread(target=wait)
    waiter.start()
    bus.close()
    bus_closed.set()
    waiter.join(PATIENCE_S)
    assert ended.is_set()


def test_messages_come_in_order_to_every_subscriber(redis_bus: RedisLiveBus, organization: OrganizationId) -> None:
    sent = [b"%d" % n for n in range(50)] + [b"", bytes(range(256))]
    with redis_bus.subscribe(organization, "alerts") as one, redis_bus.subscribe(organization, "alerts") as two:
        for message in sent:
            redis_bus.publish(organization, "alerts", message)
        assert [one.next(PATIENCE_S) for _ in sent] == sent
        assert [two.next(PATIENCE_S) for _ in sent] == sent


def test_other_organizations_and_topics_hear_nothing(redis_bus: RedisLiveBus, organization: OrganizationId) -> None:
    other = OrganizationId(uuid4())
    with redis_bus.subscribe(other, "alerts") as theirs, redis_bus.subscribe(organization, "logs") as logs:
        redis_bus.publish(organization, "alerts", b"mine")
        redis_bus.publish(other, "alerts", b"theirs")
        redis_bus.publish(organization, "logs", b"logs")
        assert theirs.next(PATIENCE_S) == b"theirs"
        assert logs.next(PATIENCE_S) == b"logs"


@pytest.mark.parametrize("fault", [Refuse(), Reset(), BlackHole()], ids=repr)
def test_a_server_that_is_down_silences_the_bus_and_it_speaks_again_after(
    fault_proxy: MakeProxy, embedded_valkey: EmbeddedValkey, organization: OrganizationId, fault: Refuse
) -> None:
    proxy = fault_proxy(Path(embedded_valkey.socket_path))
    breaker = Breaker("redis", SystemClock(), open_s=0.05, max_open_s=0.05)
    bus = RedisLiveBus(f"redis://{proxy.address}", SystemClock(), breaker=breaker, connect_timeout_s=0.2, timeout_s=0.2)
    with bus.subscribe(organization, "alerts") as subscription:
        bus.publish(organization, "alerts", b"before")
        assert subscription.next(PATIENCE_S) == b"before"
        proxy.set(fault)
        for _ in range(10):
            bus.publish(organization, "alerts", b"lost, or late")
        assert bus.failures_total > 0
        started_s = SystemClock().monotonic_s()
        assert subscription.next(0.3) is None
        assert SystemClock().monotonic_s() - started_s < 2
        proxy.heal()

        def is_heard() -> bool:
            bus.publish(organization, "alerts", b"after")
            return subscription.next(0.2) == b"after"

        eventually(is_heard)
    bus.close()


def test_subscribing_while_the_server_is_down_works_once_it_is_back(
    fault_proxy: MakeProxy, embedded_valkey: EmbeddedValkey, organization: OrganizationId, redis_bus: RedisLiveBus
) -> None:
    proxy = fault_proxy(Path(embedded_valkey.socket_path))
    proxy.set(Refuse())
    bus = RedisLiveBus(f"redis://{proxy.address}", SystemClock(), **TIMEOUTS)
    with bus.subscribe(organization, "alerts") as subscription:
        assert subscription.next(0) is None
        proxy.heal()

        def is_heard() -> bool:
            redis_bus.publish(organization, "alerts", b"hello")
            return subscription.next(0.2) == b"hello"

        eventually(is_heard)
        assert subscription.lost_total >= 1
    bus.close()


def test_whoever_has_subscribed_hears_what_is_published_from_then_on(
    fault_proxy: MakeProxy, embedded_valkey: EmbeddedValkey, organization: OrganizationId, redis_bus: RedisLiveBus
) -> None:
    proxy = fault_proxy(Path(embedded_valkey.socket_path))
    proxy.set(Latency(to_store_s=0.3))
    far_bus = RedisLiveBus(f"redis://{proxy.address}", SystemClock(), **TIMEOUTS)
    with far_bus.subscribe(organization, "alerts") as subscription:
        redis_bus.publish(organization, "alerts", b"at once")
        assert subscription.next(PATIENCE_S) == b"at once"
    far_bus.close()

"""Fault tests 24 and 25: the cache's server down, loading, slow or forgetful; a reader overtaken by a write."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from faults.kinds import BlackHole, CutReply, Latency, Refuse
from faults.proxy import FaultProxy
from fixtures.fault_proxies import MakeProxy
from integration.caching.origin import Origin
from strata_core.caching.kinds import CONFIGURATION
from strata_core.caching.read_through import Made, Question, ReadThrough
from strata_datamodel.ids import OrganizationId
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.redis.cache import RedisCache
from strata_stores.redis.connecting import connect
from waiting import eventually

SHORT = {"connect_timeout_s": 0.1, "timeout_s": 0.1}
LONG = {"connect_timeout_s": 1.0, "timeout_s": 2.0}
CALLERS = 16
ROUNDS = 8


@pytest.fixture
def proxy(fault_proxy: MakeProxy, embedded_valkey: EmbeddedValkey) -> FaultProxy:
    return fault_proxy(Path(embedded_valkey.socket_path))


@pytest.fixture
def far(proxy: FaultProxy) -> Iterator[ReadThrough]:
    breaker = Breaker("redis", SystemClock(), open_s=0.05, max_open_s=0.05)
    cache = RedisCache(f"redis://{proxy.address}", SystemClock(), breaker=breaker, **SHORT)
    yield ReadThrough(cache, SystemClock())
    cache.close()


@pytest.fixture
def near(embedded_valkey: EmbeddedValkey) -> Iterator[ReadThrough]:
    cache = RedisCache(embedded_valkey.url(), SystemClock(), **LONG)
    yield ReadThrough(cache, SystemClock())
    cache.close()


class Truth:
    """What each of two organizations may be answered, changing all the time."""

    def __init__(self) -> None:
        self.organizations = [OrganizationId(uuid4()) for _ in range(2)]
        self.origins = {each: Origin(f"{each} 1".encode()) for each in self.organizations}
        self.told = dict.fromkeys(self.organizations, 1)

    def read(self, organization_id: OrganizationId) -> Made:
        return self.origins[organization_id].make()

    def commit(self, organization_id: OrganizationId) -> None:
        origin = self.origins[organization_id]
        origin.change(f"{organization_id} {origin.version + 1}".encode())

    def change(self, through: ReadThrough, organization_id: OrganizationId) -> None:
        """One writer an organization."""
        self.commit(organization_id)
        version = self.origins[organization_id].version
        through.invalidate(organization_id, CONFIGURATION)
        self.told[organization_id] = version

    def ask(self, through: ReadThrough, organization_id: OrganizationId, key: str = "key") -> None:
        """Nothing that was committed and told before the question may be missing in the answer, and nothing foreign be
        in it."""
        told = self.told[organization_id]
        question = Question(organization_id, CONFIGURATION, key)
        owner, version = through.answer(question, lambda: self.read(organization_id)).body.decode().split()
        assert owner == str(organization_id)
        assert int(version) >= told


@pytest.mark.parametrize("fault", [Refuse(), BlackHole(), CutReply(), Latency(to_client_s=1.0)], ids=repr)
def test_fault_24_a_server_down_or_slow_makes_answers_slower_and_never_wrong(
    far: ReadThrough, proxy: FaultProxy, fault: Refuse
) -> None:
    truth = Truth()

    def ask_and_change(number: int) -> None:
        organization_id = truth.organizations[number % 2]
        for _ in range(ROUNDS):
            truth.ask(far, organization_id, f"key {number}")

    for organization_id in truth.organizations:
        truth.ask(far, organization_id)
    proxy.set(fault)
    for organization_id in truth.organizations:
        truth.change(far, organization_id)
    started_s = SystemClock().monotonic_s()
    with ThreadPoolExecutor(CALLERS) as pool:
        for each in [pool.submit(ask_and_change, number) for number in range(CALLERS)]:
            each.result()
    assert SystemClock().monotonic_s() - started_s < 15
    assert far.figures.most_running()["configuration"] <= CONFIGURATION.origin_callers
    proxy.heal()
    for organization_id in truth.organizations:
        truth.ask(far, organization_id)


def test_fault_24_an_organizations_change_while_the_server_was_away_is_seen_by_all_once_it_is_back(
    far: ReadThrough, near: ReadThrough, proxy: FaultProxy
) -> None:
    truth = Truth()
    mine, theirs = truth.organizations
    for organization_id in truth.organizations:
        truth.ask(near, organization_id)
    proxy.set(Refuse())
    truth.change(far, mine)
    truth.ask(far, mine)
    proxy.heal()
    eventually(lambda: far.answer(Question(theirs, CONFIGURATION, "any"), lambda: Made(b"x", 1)).age_s == 0)
    eventually(lambda: _is_in_the_server(far, theirs))
    asked = truth.origins[theirs].asked
    truth.ask(near, mine)
    truth.ask(near, theirs)
    assert truth.origins[theirs].asked == asked


def _is_in_the_server(far: ReadThrough, organization_id: OrganizationId) -> bool:
    made = far.answer(Question(organization_id, CONFIGURATION, "probe"), lambda: Made(b"probe", 1))
    return made.outcome == "shared"


def test_fault_24_a_server_flushed_all_the_time_under_load_loses_nothing_but_time(
    near: ReadThrough, embedded_valkey: EmbeddedValkey
) -> None:
    truth, stop = Truth(), threading.Event()

    def flush() -> None:
        with connect(embedded_valkey.url(), timeout_s=5) as client:
            while not stop.wait(0.005):
                client.flushall()

    def ask(organization_id: OrganizationId) -> None:
        for _ in range(150):
            truth.ask(near, organization_id)

    def change(organization_id: OrganizationId) -> None:
        for _ in range(50):
            truth.change(near, organization_id)

    with ThreadPoolExecutor(9) as pool:
        flushing = pool.submit(flush)
        working = [pool.submit(ask, organization_id) for organization_id in truth.organizations for _ in range(3)]
        working += [pool.submit(change, organization_id) for organization_id in truth.organizations]
        for each in working:
            each.result()
        stop.set()
        flushing.result()


def test_fault_24_a_server_that_is_loading_is_an_empty_cache(embedded_directory: Path) -> None:
    place = embedded_directory / "loading"
    server = EmbeddedValkey(
        place / "valkey",
        place / "run" / "valkey.sock",
        settings={"appendonly": "no", "key-load-delay": "1000", "loading-process-events-interval-bytes": "1024"},
    )
    server.start()
    breaker = Breaker("redis", SystemClock(), open_s=0.05, max_open_s=0.05)
    cache = RedisCache(server.url(), SystemClock(), breaker=breaker, **LONG)
    through, truth = ReadThrough(cache, SystemClock()), Truth()
    try:
        truth.ask(through, truth.organizations[0])
        with connect(server.url(), timeout_s=5) as client:
            with client.pipeline(transaction=False) as pipeline:
                for number in range(1_000):
                    pipeline.set(f"ballast:{number}", bytes(64))
                pipeline.execute()
            client.save()
        server.abort()
        starting = threading.Thread(target=server.start)
        starting.start()
        for _ in range(200):
            for organization_id in truth.organizations:
                truth.change(through, organization_id)
                truth.ask(through, organization_id)
        starting.join()
        eventually(lambda: _is_in_the_server(through, truth.organizations[0]))
    finally:
        cache.close()
        server.stop()


def test_fault_25_a_reader_paused_between_its_read_and_its_fill_does_not_overtake_a_write(
    near: ReadThrough, far: ReadThrough
) -> None:
    """Both ways a write may be told: directly, and by another process that works off its event."""
    for teller in (near, far):
        truth = Truth()
        mine, theirs = truth.organizations
        truth.ask(near, theirs)
        question, origin = Question(mine, CONFIGURATION, "key"), truth.origins[mine]
        origin.gate.clear()
        with ThreadPoolExecutor(1) as pool:
            paused = pool.submit(near.answer, question, origin.make)
            assert origin.has_read.wait(10)
            truth.change(teller, mine)
            origin.gate.set()
            assert paused.result().body.endswith(b" 1"), "it read before the write"
        for through in (near, far):
            truth.ask(through, mine)
        assert near.figures.overtakings() == {"configuration": 1 if teller is near else 2}
        asked = truth.origins[theirs].asked
        truth.ask(far, theirs)
        assert truth.origins[theirs].asked == asked

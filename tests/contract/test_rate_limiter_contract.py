"""What every RateLimiter promises, and what Redis' must do when its server does not."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from fakes.manual_clock import ManualClock
from faults.kinds import BlackHole, Refuse
from fixtures.fault_proxies import MakeProxy
from strata_core.ports.rate_limiter import Bucket, RateLimiter, bucket
from strata_datamodel.ids import OrganizationId
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.local_rate_limiter import LocalRateLimiter
from strata_stores.null.rate_limiter import NullRateLimiter
from strata_stores.redis.connecting import connect
from strata_stores.redis.rate_limiter import RedisRateLimiter
from waiting import eventually

TIMEOUTS = {"connect_timeout_s": 1.0, "timeout_s": 2.0}
SLOW = 0.001  # a token in a quarter of an hour: no test sees one come back


@pytest.fixture
def organization() -> OrganizationId:
    return OrganizationId(uuid4())


@pytest.fixture(params=["valkey", "local", "null"])
def limiter(request: pytest.FixtureRequest) -> Iterator[RateLimiter]:
    made: RateLimiter = NullRateLimiter()
    if request.param == "local":
        made = LocalRateLimiter(SystemClock())
    if request.param == "valkey":
        made = RedisRateLimiter(request.getfixturevalue("embedded_valkey").url(), SystemClock(), **TIMEOUTS)
    yield made
    made.close()


@pytest.fixture(params=["valkey", "local"])
def strict(request: pytest.FixtureRequest) -> Iterator[RateLimiter]:
    """One that does refuse."""
    made: RateLimiter = LocalRateLimiter(SystemClock())
    if request.param == "valkey":
        made = RedisRateLimiter(request.getfixturevalue("embedded_valkey").url(), SystemClock(), **TIMEOUTS)
    yield made
    made.close()


def taken(limiter: RateLimiter, wanted: Bucket, times: int, cost: float = 1.0) -> int:
    return sum(limiter.take(wanted, cost).is_allowed for _ in range(times))


def test_a_full_bucket_allows(limiter: RateLimiter, organization: OrganizationId) -> None:
    answer = limiter.take(bucket(organization, "api", 1.0, 5.0))
    assert answer.is_allowed
    assert answer.retry_after_s == 0


def test_looking_takes_nothing(limiter: RateLimiter, organization: OrganizationId) -> None:
    wanted = bucket(organization, "api", SLOW, 5.0)
    assert [limiter.look(wanted).remaining for _ in range(3)] == [5.0] * 3


def test_a_burst_is_allowed_and_what_is_above_it_is_not(strict: RateLimiter, organization: OrganizationId) -> None:
    wanted = bucket(organization, "api", SLOW, 5.0)
    answers = [strict.take(wanted) for _ in range(8)]
    assert [answer.is_allowed for answer in answers] == [True] * 5 + [False] * 3
    assert [int(answer.remaining + 0.01) for answer in answers] == [4, 3, 2, 1, 0, 0, 0, 0]
    assert answers[5].retry_after_s == pytest.approx(1 / SLOW, rel=0.01)
    assert answers[4].reset_s == pytest.approx(5 / SLOW, rel=0.01)


def test_what_is_refused_takes_nothing(strict: RateLimiter, organization: OrganizationId) -> None:
    wanted = bucket(organization, "bytes", SLOW, 10.0)
    assert strict.take(wanted, 6).is_allowed
    assert taken(strict, wanted, 5, cost=6) == 0
    assert strict.take(wanted, 4).is_allowed


def test_a_cost_above_the_burst_waits_for_a_full_bucket_and_not_for_ever(
    strict: RateLimiter, organization: OrganizationId
) -> None:
    wanted = bucket(organization, "bytes", SLOW, 10.0)
    assert strict.take(wanted, 1_000).is_allowed
    refused = strict.take(wanted, 1_000)
    assert not refused.is_allowed
    assert refused.retry_after_s <= 10 / SLOW


def test_tokens_come_back(strict: RateLimiter, organization: OrganizationId) -> None:
    wanted = bucket(organization, "api", 20.0, 2.0)
    while strict.take(wanted).is_allowed:
        pass
    eventually(lambda: strict.take(wanted).is_allowed, timeout_s=5, what="a token")


def test_buckets_of_two_organizations_and_of_two_subjects_never_meet(
    strict: RateLimiter, organization: OrganizationId
) -> None:
    other = OrganizationId(uuid4())
    assert taken(strict, bucket(organization, "api", SLOW, 2.0), 5) == 2
    assert taken(strict, bucket(other, "api", SLOW, 2.0), 5) == 2
    assert taken(strict, bucket(organization, "api", SLOW, 2.0, "key"), 5) == 2
    assert taken(strict, bucket(organization, "ingest", SLOW, 2.0), 5) == 2


def test_many_threads_get_what_there_is_and_no_more(strict: RateLimiter, organization: OrganizationId) -> None:
    wanted = bucket(organization, "api", SLOW, 50.0)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: taken(strict, wanted, 20), range(8))) == 50


def test_an_answer_at_once_never_gives_more_than_there_is(strict: RateLimiter, organization: OrganizationId) -> None:
    wanted = bucket(organization, "api", SLOW, 3.0)
    answers = [strict.take_at_once(wanted) or strict.take(wanted) for _ in range(6)]
    assert [answer.is_allowed for answer in answers] == [True] * 3 + [False] * 3


def test_a_changed_rate_counts_from_the_next_asking(strict: RateLimiter, organization: OrganizationId) -> None:
    assert taken(strict, bucket(organization, "api", SLOW, 2.0), 3) == 2
    eventually(lambda: strict.take(bucket(organization, "api", 100.0, 200.0)).is_allowed, what="the new rate")


def test_local_buckets_gain_by_the_clock_and_are_bounded(organization: OrganizationId) -> None:
    clock = ManualClock()
    limiter = LocalRateLimiter(clock, max_buckets=2)
    wanted = bucket(organization, "api", 2.0, 4.0)
    assert taken(limiter, wanted, 6) == 4
    clock.advance(1)
    assert taken(limiter, wanted, 6) == 2
    for subject in ("a", "b", "c"):
        limiter.take(bucket(organization, "api", 2.0, 4.0, subject))
    assert len(limiter._levels) == 2


def test_two_processes_share_one_bucket(embedded_valkey: EmbeddedValkey, organization: OrganizationId) -> None:
    one, other = (RedisRateLimiter(embedded_valkey.url(), SystemClock(), **TIMEOUTS) for _ in range(2))
    wanted = bucket(organization, "api", SLOW, 10.0)
    allowed = taken(one, wanted, 6) + taken(other, wanted, 20)
    one.close()
    other.close()
    assert allowed == 10


def test_a_fast_bucket_is_not_asked_for_each_token(
    embedded_valkey: EmbeddedValkey, organization: OrganizationId
) -> None:
    clock = ManualClock()
    limiter = RedisRateLimiter(embedded_valkey.url(), clock, **TIMEOUTS)
    wanted = bucket(organization, "api", 1_000.0, 2_000.0)
    assert limiter.take_at_once(wanted) is None
    assert limiter.take(wanted).is_allowed
    at_once = [limiter.take_at_once(wanted) for _ in range(60)]
    limiter.close()
    assert sum(answer is not None and answer.is_allowed for answer in at_once) == 49
    assert at_once[-1] is None


def test_every_key_begins_with_its_organization_and_ends_by_itself(
    embedded_valkey: EmbeddedValkey, organization: OrganizationId
) -> None:
    limiter = RedisRateLimiter(embedded_valkey.url(), SystemClock(), **TIMEOUTS)
    limiter.take(bucket(organization, "api", 1.0, 5.0))
    limiter.look(bucket(organization, "unused", 1.0, 5.0))
    with connect(embedded_valkey.url(), timeout_s=5) as client:
        keys = list(client.scan_iter(match=f"*{organization}*"))
        lives = [client.pttl(key) for key in keys]
    limiter.close()
    assert keys == [f"{organization}:rate:api:".encode()]
    assert all(0 < life <= 6_000 for life in lives)


@pytest.mark.parametrize("fault", [Refuse(), BlackHole()], ids=repr)
def test_while_the_server_is_down_buckets_of_the_process_still_limit(
    fault_proxy: MakeProxy, embedded_valkey: EmbeddedValkey, organization: OrganizationId, fault: Refuse
) -> None:
    proxy = fault_proxy(Path(embedded_valkey.socket_path))
    breaker = Breaker("redis", SystemClock(), open_s=0.05, max_open_s=0.05)
    limiter = RedisRateLimiter(
        f"redis://{proxy.address}", SystemClock(), breaker=breaker, connect_timeout_s=0.1, timeout_s=0.1
    )
    proxy.set(fault)
    wanted = bucket(organization, "api", SLOW, 5.0)
    started_s = SystemClock().monotonic_s()
    assert taken(limiter, wanted, 100) == 5
    assert SystemClock().monotonic_s() - started_s < 3
    assert limiter.alone_total == 100
    proxy.heal()
    eventually(lambda: limiter.take(wanted).is_allowed, what="the shared bucket, which is full")
    limiter.close()

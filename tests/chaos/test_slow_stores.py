"""A store that is slow, and not down: who asks it is held for its time-out at most, and nobody else is."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import httpx
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from chaos.soaking import MINUTES
from factories.log_events import day_of, log_batch, log_event
from factories.point_batches import SECOND, batch_of, point
from faults.kinds import Bandwidth, BlackHole, Fault, Latency
from faults.proxy import FaultProxy
from fixtures.api import ApiWorld, Tenant, serving
from strata_api.app import create_app
from strata_datamodel.limits import SLOW_READS_AT_ONCE
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.elastic.log_store import ElasticLogStore
from strata_stores.influx.metric_store import InfluxMetricStore
from waiting import eventually

CALLERS = 20
TIMEOUT_S = 0.5
HOUR_MS = 3_600_000
HELD = {429, 503, 504}
STORES = ("metrics", "logs")
FAULTS = {"two seconds late": Latency(to_client_s=2.0), "10 kB/s": Bandwidth(10_000), "half open": BlackHole()}
# The long form tries each fault at each store, and at both.
SHORT = [("metrics", "10 kB/s"), ("logs", "two seconds late"), ("both", "half open")]
LONG = [(which, name) for which in (*STORES, "both") for name in FAULTS]


@dataclass(frozen=True)
class Slowed:
    """An API whose stores stand behind proxies."""

    api: ApiWorld
    client: httpx.Client
    pool: ThreadPoolExecutor
    proxies: dict[str, FaultProxy]
    breakers: dict[str, Breaker]

    def ask(self, store: str, tenant: Tenant, number: int = 0) -> httpx.Response:
        """No two numbers are one question: none is answered with the other's answer."""
        begin_ms = self.api.clock.now_ns() // 1_000_000 - HOUR_MS - number * 1_000
        span: dict[str, object] = {"from": begin_ms, "to": begin_ms + 2 * HOUR_MS}
        if store == "logs":
            return self._post(tenant, "logs/search", {"query": "event", "limit": 500, **span})
        question = {"measurement": "m", "field": "v", "aggregate": "sum", "step": "1s", "group_by": ["host"]}
        return self._post(tenant, "metrics/query", {**question, **span})

    def _post(self, tenant: Tenant, path: str, body: dict[str, object]) -> httpx.Response:
        return self.client.post(f"{tenant.path}/{path}", json=body, headers=tenant.admin)

    def flood(self, store: str) -> list[Future[httpx.Response]]:
        return [self.pool.submit(self.ask, store, self.api.acme, number) for number in range(CALLERS)]


def fill(stores: tuple[InfluxMetricStore, ElasticLogStore], tenant: Tenant, now_ns: int) -> None:
    """Enough that an answer takes seconds on a thin line, however well it is packed."""
    draw = np.random.default_rng(20_261_120)
    points = [
        point(now_ns - at * SECOND, float(draw.random()), measurement="m", field="v", host=f"h{host}")
        for at in range(60)
        for host in range(40)
    ]
    stores[0].write(batch_of(tenant.organization_id, *points))
    begin_ns = now_ns - 60 * SECOND
    events = [log_event(f"event {draw.bytes(40).hex()}", begin_ns + at, day=day_of(begin_ns)) for at in range(500)]
    stores[1].write(log_batch(tenant.organization_id, *events))
    stores[1].refresh()


@pytest.fixture
def slowed(
    api: ApiWorld, influx_url: str, influx_database: str, elastic_url: str, elastic_prefix: str, fault_proxy
) -> Iterator[Slowed]:
    clock = SystemClock()
    proxies = {"metrics": fault_proxy(influx_url), "logs": fault_proxy(elastic_url)}
    breakers = {store: Breaker(store, clock, open_s=0.3, max_open_s=0.3) for store in STORES}
    metrics = InfluxMetricStore(
        proxies["metrics"].url,
        clock,
        database=influx_database,
        kept_ns=None,
        breaker=breakers["metrics"],
        query_timeout_s=TIMEOUT_S,
    )
    logs = ElasticLogStore(
        proxies["logs"].url, clock, prefix=elastic_prefix, breaker=breakers["logs"], query_timeout_s=TIMEOUT_S
    )
    for store in (metrics, logs):
        store.prepare()
    for tenant in (api.acme, api.globex):
        fill((metrics, logs), tenant, api.clock.now_ns())
    deps = replace(api.app.state.deps, metric_store=metrics, log_store=logs, registry=CollectorRegistry())
    with (
        serving(create_app(deps)) as url,
        httpx.Client(base_url=url, timeout=40) as client,
        ThreadPoolExecutor(2 * CALLERS) as pool,
    ):
        yield Slowed(api, client, pool, proxies, breakers)
        for proxy in proxies.values():
            proxy.heal()
    deps.reads.close()
    for store in (metrics, logs):
        store.close()


def all_others(slowed: Slowed, slow: Sequence[str]) -> list[httpx.Response]:
    """What needs none of the slow stores."""
    api = slowed.api
    answers = [slowed.client.get(f"{each.path}/hosts", headers=each.admin) for each in (api.acme, api.globex)]
    return answers + [slowed.ask(store, api.globex) for store in STORES if store not in slow]


@pytest.mark.parametrize(("which", "name"), LONG if MINUTES else SHORT)
def test_fault_20_a_slow_store_holds_a_few_callers_for_its_time_out_and_nobody_else(slowed, which, name):
    slow = STORES if which == "both" else (which,)
    fault: Fault = FAULTS[name]
    for store in slow:
        assert slowed.ask(store, slowed.api.acme, CALLERS).status_code == 200
        slowed.proxies[store].set(fault)
    held = [each for store in slow for each in slowed.flood(store)]
    eventually(lambda: sum(slowed.proxies[store].open_connections for store in slow) > 1, what="callers that are held")
    answers = all_others(slowed, slow)
    assert [each.status_code for each in answers] == [200] * len(answers)
    assert not all(each.done() for each in held), "they were answered behind those who are held"
    assert sum(slowed.proxies[store].open_connections for store in slow) <= SLOW_READS_AT_ONCE + len(slow)
    assert {each.result(30).status_code for each in held} <= HELD
    for number, store in enumerate(slow):
        # It is given up: who asks now is told so, and the store does not hear of it.
        eventually(lambda store=store, number=number: is_refused_at_once(slowed, store, number), what="an open breaker")
        slowed.proxies[store].heal()
        eventually(lambda store=store: slowed.ask(store, slowed.api.globex).status_code == 200, 30, what=store)


def is_refused_at_once(slowed: Slowed, store: str, number: int) -> bool:
    breaker = slowed.breakers[store]
    refused = breaker.refused_total
    assert slowed.ask(store, slowed.api.acme, 2 * CALLERS + number).status_code in HELD
    return breaker.opened_total > 0 and breaker.refused_total > refused

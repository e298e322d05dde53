"""The newest values of a host, by who may see the host, from Redis or else from the metric store."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from factories.point_batches import SECOND, Point, batch_of, point
from fakes.faulty_stores import FaultyMetricStore
from fixtures.api import PASSWORD, ApiWorld, Tenant, serving
from strata_api.api_deps import ApiDeps
from strata_api.app import create_app
from strata_core.series.commands import register
from strata_ingest.newest import NewestValues
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.redis.cache import RedisCache
from strata_stores.redis.connecting import connect
from strata_stores.redis.latest_values import RedisLatestValues


@dataclass
class Latest:
    world: ApiWorld
    deps: ApiDeps
    client: httpx.Client
    newest: NewestValues
    store: FaultyMetricStore

    def store_points(self, tenant: Tenant, *points: Point) -> None:
        """As the writer does it, up to the telling."""
        batch = batch_of(tenant.organization_id, *points)
        assert not self.world.app.state.deps.metric_store.write(batch).rejected
        with tenant.system_units.organization(tenant.organization_id) as uow:
            register(uow, batch.series)

    def host(self, tenant: Tenant, name: str, **tags: str) -> str:
        made = self.client.post(
            f"/api/v1/orgs/{tenant.slug}/hosts", json={"name": name, "tags": tags}, headers=tenant.admin
        )
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def of(self, tenant: Tenant, host_id: str) -> dict[tuple[str, str], tuple[str, object]]:
        answer = self.client.get(f"/api/v1/orgs/{tenant.slug}/hosts/{host_id}/latest", headers=tenant.admin)
        assert answer.status_code == 200, answer.text
        assert answer.json()["is_complete"]
        return {(item["measurement"], item["field"]): (item["at"], item["value"]) for item in answer.json()["items"]}


@pytest.fixture(scope="module")
def latest(shared_api: ApiWorld, embedded_valkey: EmbeddedValkey) -> Iterator[Latest]:
    with ExitStack() as stack:
        cache = RedisCache(embedded_valkey.url(), shared_api.clock, connect_timeout_s=1.0, timeout_s=2.0)
        stack.callback(cache.close)
        values = RedisLatestValues(cache.generations, shared_api.clock)
        store = FaultyMetricStore(shared_api.app.state.deps.metric_store)
        own = replace(
            shared_api.app.state.deps,
            cache=cache,
            latest_values=values,
            metric_store=store,
            registry=CollectorRegistry(),
        )
        stack.callback(own.reads.close)
        client = stack.enter_context(httpx.Client(base_url=stack.enter_context(serving(create_app(own)))))
        newest = NewestValues(values, Counter("given_up", "for a test", registry=None))
        yield Latest(shared_api, own, client, newest, store)


def shown(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 1_000_000 / 1_000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def test_the_newest_of_each_metric_is_shown_with_its_time(latest: Latest) -> None:
    acme, globex = latest.world.acme, latest.world.globex
    now_ns = latest.world.clock.now_ns()
    early, late = now_ns - 3_600 * SECOND - 1_234_567, now_ns - 7 * SECOND
    latest.store_points(
        acme,
        point(early, 1.0, host="web1", core="0"),
        point(late, 2.0, host="web1", core="0"),
        point(late, 3.0, host="web1", core="1"),
        point(early, 40.0, measurement="disk", field="free", host="web1"),
        point(late, True, measurement="up", field="up", host="web1"),
        point(late, "v2", measurement="agent", field="version", host_id="web1"),
        point(late, 9.0, host="web2"),
        point(now_ns - 25 * 3_600 * SECOND, 1.0, measurement="old", host="web1"),
    )
    latest.store_points(globex, point(late, 1000.0, host="web1"))
    mine, theirs = latest.host(acme, "web1"), latest.host(globex, "web1")
    expected = {
        ("agent", "version"): (shown(late), "v2"),
        ("cpu", "usage"): (shown(late), 3.0),
        ("disk", "free"): (shown(early), 40.0),
        ("up", "up"): (shown(late), True),
    }
    assert latest.of(acme, mine) == expected
    assert latest.of(globex, theirs) == {("cpu", "usage"): (shown(late), 1000.0)}
    latest.store.is_down = True
    assert latest.of(acme, mine) == expected, "it stands in Redis"
    latest.store.is_down = False


def test_what_is_told_behind_ingest_is_shown_and_what_is_lost_is_asked_for(
    latest: Latest, embedded_valkey: EmbeddedValkey
) -> None:
    acme = latest.world.acme
    now_ns = latest.world.clock.now_ns()
    latest.store_points(acme, point(now_ns - 9 * SECOND, 1.0, host="db1"))
    host_id = latest.host(acme, "db1")
    latest.newest.note(batch_of(acme.organization_id, point(now_ns - 9 * SECOND, 1.0, host="db1")))
    latest.newest.stop()
    assert latest.of(acme, host_id)["cpu", "usage"] == (shown(now_ns - 9 * SECOND), 1.0)
    told = point(now_ns - 2 * SECOND, 2.0, host="db1")
    latest.store_points(acme, told)
    assert latest.of(acme, host_id)["cpu", "usage"][1] == 1.0, "in the store, and about to be told"
    latest.newest.note(batch_of(acme.organization_id, told))
    latest.newest.stop()
    assert latest.of(acme, host_id)["cpu", "usage"] == (shown(now_ns - 2 * SECOND), 2.0)
    with connect(embedded_valkey.url(), timeout_s=5) as client:
        for _ in range(3):
            client.flushall()
            assert latest.of(acme, host_id)["cpu", "usage"] == (shown(now_ns - 2 * SECOND), 2.0)


def test_while_the_metric_store_is_down_what_is_there_is_shown_and_said_to_be_partial(latest: Latest) -> None:
    acme = latest.world.acme
    now_ns = latest.world.clock.now_ns()
    host_id, empty_id = latest.host(acme, "mq1"), latest.host(acme, "mq2")
    tag = point(now_ns, 5.0, host="mq1")
    latest.store_points(acme, tag, point(now_ns, 5.0, host="mq2"))
    latest.newest.note(batch_of(acme.organization_id, tag))
    latest.newest.stop()
    latest.store.is_down = True
    partial = latest.client.get(f"/api/v1/orgs/acme/hosts/{host_id}/latest", headers=acme.admin)
    refused = latest.client.get(f"/api/v1/orgs/acme/hosts/{empty_id}/latest", headers=acme.admin)
    latest.store.is_down = False
    assert partial.json()["is_complete"] is False
    assert [item["value"] for item in partial.json()["items"]] == [5.0]
    assert refused.status_code == 503


def test_a_host_is_found_by_the_name_that_opentelemetry_gives_it_unless_another_stands_above(latest: Latest) -> None:
    acme = latest.world.acme
    now_ns = latest.world.clock.now_ns()
    host_id = latest.host(acme, "otel1")
    latest.store_points(
        acme,
        point(now_ns, 5.0, field="mine", **{"host.name": "otel1", "host.id": "a1b2"}),
        point(now_ns, 6.0, field="of another", **{"host.name": "otel1", "host": "otel2"}),
    )
    assert {metric: value for metric, (_, value) in latest.of(acme, host_id).items()} == {("cpu", "mine"): 5.0}


def test_only_who_may_see_the_host_sees_its_values(latest: Latest) -> None:
    acme, globex = latest.world.acme, latest.world.globex
    prod, test = latest.host(acme, "prod1", env="prod"), latest.host(acme, "test1", env="test")
    role = {
        "name": "prod only",
        "permissions": [
            {"resource": "metrics", "action": "read"},
            {"resource": "hosts", "action": "read", "labels": {"env": "prod"}},
        ],
    }
    role_id = latest.client.post("/api/v1/orgs/acme/roles", json=role, headers=acme.admin).json()["id"]
    email = acme.member("custom", latest.world.hasher)
    members = latest.client.get("/api/v1/orgs/acme/members?limit=200", headers=acme.admin).json()["items"]
    user_id = next(member["user_id"] for member in members if member["email"] == email)
    assigned = {"subject": f"user:{user_id}", "role": role_id}
    made = latest.client.post("/api/v1/orgs/acme/role-assignments", json=assigned, headers=acme.admin)
    assert made.status_code == 201, made.text
    with httpx.Client(base_url=latest.client.base_url) as visitor:
        visitor.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD}).raise_for_status()
        assert visitor.get(f"/api/v1/orgs/acme/hosts/{prod}/latest").status_code == 200
        assert visitor.get(f"/api/v1/orgs/acme/hosts/{test}/latest").status_code == 404
    assert latest.client.get(f"/api/v1/orgs/globex/hosts/{prod}/latest", headers=globex.admin).status_code == 404
    key = acme.key_with("hosts:read")
    assert latest.client.get(f"/api/v1/orgs/acme/hosts/{prod}/latest", headers=key).status_code == 403

"""Dashboards over HTTP: saved with versions, read through a cache, asked panel by panel, by who may."""

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from factories.grafana_dashboards import servers, shared
from factories.point_batches import MINUTE, SECOND, batch_of, point
from fixtures.api import ApiWorld, serving
from strata_api.app import create_app
from strata_datamodel.limits import DASHBOARD_VERSIONS
from strata_datamodel.tables.outbox import outbox
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.redis.cache import RedisCache

PATH = "/api/v1/orgs/acme/dashboards"
QUESTION = {
    "measurement": "cpu",
    "field": "usage",
    "aggregate": "sum",
    "filters": [{"tag": "host", "op": "=~", "values": ["^$host$"]}],
    "group_by": ["host"],
}
BODY = {
    "title": "Servers",
    "variables": [{"name": "host", "current": ["h0"], "is_multi": True, "includes_all": True}],
    "panels": [
        {"id": 5, "queries": [{"ref_id": "A", "question": QUESTION}, {"ref_id": "B", "grafana": {"expr": "up"}}]}
    ],
}


def make(world: ApiWorld, headers=None, **changes):
    answer = world.client.post(PATH, json={**BODY, **changes}, headers=headers or world.acme.admin)
    assert answer.status_code == 201, answer.text
    return answer.json()


def save(world: ApiWorld, made, version: int, headers=None, **changes):
    tag = f'"{made["id"].replace("-", "")}.{version}"'
    sent = {**(headers or world.acme.admin), "if-match": tag}
    return world.client.put(f"{PATH}/{made['id']}", json={**BODY, **changes}, headers=sent)


def test_every_save_is_a_version_that_can_be_read_compared_and_restored(shared_api):
    made = make(shared_api, message="first")
    path, admin = f"{PATH}/{made['id']}", shared_api.acme.admin
    assert save(shared_api, made, 1, title="Hosts", message="a better name").json()["version"] == 2
    stale = save(shared_api, made, 1, title="Mine")
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    versions = shared_api.client.get(f"{path}/versions", headers=admin).json()["items"]
    assert [(each["version"], each["title"], each["message"]) for each in versions] == [
        (2, "Hosts", "a better name"),
        (1, "Servers", "first"),
    ]
    assert versions[0]["saved_by"]["kind"] == "api_key"
    assert versions[0]["saved_by"]["label"]
    changes = shared_api.client.get(f"{path}/versions/2/changes?against=1", headers=admin).json()["items"]
    assert changes == [{"kind": "changed", "path": "/title", "before": "Servers", "after": "Hosts"}]
    restored = shared_api.client.post(f"{path}/versions/1/restore", json={}, headers={**admin, "if-match": "*"})
    assert (restored.json()["title"], restored.json()["version"]) == ("Servers", 3)
    old = shared_api.client.get(f"{path}/versions/2", headers=admin).json()
    assert (old["dashboard"]["title"], old["message"]) == ("Hosts", "a better name")
    log = shared_api.client.get("/api/v1/orgs/acme/audit-log", headers=admin).json()["items"]
    assert [row["action"] for row in log if row["target_id"] == made["id"]] == [
        "dashboard.changed", "dashboard.changed", "dashboard.created",
    ]  # fmt: skip
    theirs = f"/api/v1/orgs/globex/dashboards/{made['id']}"
    assert shared_api.client.get(f"{theirs}/versions/1", headers=shared_api.globex.admin).status_code == 404
    assert (
        shared_api.client.get("/api/v1/orgs/globex/dashboards", headers=shared_api.globex.admin).json()["items"] == []
    )


def test_only_so_many_versions_are_kept_and_they_are_the_newest(shared_api):
    made = make(shared_api)
    shared_api.database.run("UPDATE dashboards SET version = %s WHERE id = %s", DASHBOARD_VERSIONS, made["id"])
    shared_api.database.run(
        "INSERT INTO dashboard_versions SELECT organization_id, dashboard_id, n, title, '', saved_by_kind, saved_by_id,"
        " saved_at, document FROM dashboard_versions, generate_series(2, %s) n WHERE dashboard_id = %s",
        DASHBOARD_VERSIONS, made["id"],
    )  # fmt: skip
    assert save(shared_api, made, DASHBOARD_VERSIONS).status_code == 200
    kept = shared_api.database.rows(
        "SELECT min(version), max(version), count(*) FROM dashboard_versions WHERE dashboard_id = %s", made["id"]
    )
    assert kept == [{"min": 2, "max": DASHBOARD_VERSIONS + 1, "count": DASHBOARD_VERSIONS}]


def test_a_list_shows_what_is_in_a_folder_or_has_a_tag_without_panels(shared_api):
    make(shared_api, title="Zeta", folder="Linux", tags=["os", "disk"])
    make(shared_api, title="Alpha", folder="Linux", tags=["os"])
    make(shared_api, title="Beta 100%", tags=["os"])

    def titles(**query: str) -> list[str]:
        answer = shared_api.client.get(PATH, params=query, headers=shared_api.acme.admin).json()
        assert all("panels" not in each for each in answer["items"])
        return [each["title"] for each in answer["items"]]

    assert titles(folder="Linux") == ["Alpha", "Zeta"]
    assert titles(tag="disk") == ["Zeta"]
    assert titles(tag="os") == ["Alpha", "Beta 100%", "Zeta"]
    assert titles(title_prefix="Beta 1") == ["Beta 100%"]
    assert titles(title_prefix="%") == []


@pytest.fixture
def filled(shared_api):
    """Points of both organizations under the same names."""
    start_ns = shared_api.clock.now_ns() // MINUTE * MINUTE - 10 * MINUTE
    store = shared_api.app.state.deps.metric_store
    for tenant, factor in ((shared_api.acme, 1), (shared_api.globex, 1000)):
        points = [point(start_ns + n * 10 * SECOND, float(n * factor), host=f"h{n % 2}") for n in range(12)]
        store.write(batch_of(tenant.organization_id, *points))
    return shared_api


def data(world: ApiWorld, made, **body):
    path = f"{PATH}/{made['id']}/panels/5/data"
    return world.client.post(path, json={"from": "now-1h", "step": "2h", **body}, headers=world.acme.admin)


def totals(answer: httpx.Response) -> dict[str, float]:
    assert answer.status_code == 200, answer.text
    found = answer.json()["results"][0]["series"]
    return {each["tags"]["host"]: sum(value for _, value in each["points"]) for each in found}


def test_a_panel_is_asked_with_what_is_chosen_and_tells_which_of_its_queries_cannot_be(filled):
    made = make(filled)
    assert totals(data(filled, made)) == {"h0": 30}
    assert totals(data(filled, made, variables={"host": ["h0", "h1"]})) == {"h0": 30, "h1": 36}
    assert totals(data(filled, made, variables={"host": "$__all"})) == {"h0": 30, "h1": 36}
    assert totals(data(filled, made, variables={"host": ".*"})) == {}, "a value, not a pattern"
    first, second = data(filled, made).json()["results"]
    assert (first["ref_id"], first["step"]) == ("A", "2h")
    assert [each["tier"] for each in first["segments"]] == ["raw"]
    assert (second["ref_id"], second["error"]["code"]) == ("B", "query_not_translated")
    refused = data(filled, made, variables={"rack": "1"})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_variable")
    missing = filled.client.post(f"{PATH}/{made['id']}/panels/6/data", json={}, headers=filled.acme.admin)
    assert (missing.status_code, missing.json()["code"]) == (404, "panel_not_found")
    blind = filled.acme.key_with("dashboards:read")
    path = f"{PATH}/{made['id']}/panels/5/data"
    assert filled.client.post(path, json={}, headers=blind).status_code == 403


def test_labels_decide_who_sees_and_who_saves(shared_api):
    role = {
        "name": "payments",
        "permissions": [
            {"resource": "dashboards", "action": each, "labels": {"team": "pay"}} for each in ("read", "write")
        ],
    }
    path, admin = "/api/v1/orgs/acme", shared_api.acme.admin
    role_id = shared_api.client.post(f"{path}/roles", json=role, headers=admin)
    assert role_id.status_code == 201, role_id.text
    account = shared_api.client.post(f"{path}/service-accounts", json={"name": "pay"}, headers=admin).json()["id"]
    assigned = {"subject": f"service_account:{account}", "role": role_id.json()["id"]}
    assert shared_api.client.post(f"{path}/role-assignments", json=assigned, headers=admin).status_code == 201
    key = {"name": "pay", "scopes": ["dashboards:read", "dashboards:write"], "service_account_id": account}
    theirs = {
        "authorization": "Bearer " + shared_api.client.post(f"{path}/api-keys", json=key, headers=admin).json()["token"]
    }
    pay, ops = make(shared_api, theirs, labels={"team": "pay"}), make(shared_api, labels={"team": "ops"})
    assert shared_api.client.post(PATH, json=BODY, headers=theirs).status_code == 403
    shown = shared_api.client.get(PATH, headers=theirs).json()["items"]
    assert [each["id"] for each in shown] == [pay["id"]]
    for suffix in ("", "/versions", "/versions/1", "/export"):
        assert shared_api.client.get(f"{PATH}/{ops['id']}{suffix}", headers=theirs).status_code == 404
        assert shared_api.client.get(f"{PATH}/{pay['id']}{suffix}", headers=theirs).status_code == 200
    moved = save(shared_api, pay, 1, theirs, labels={"team": "ops"})
    assert (moved.status_code, moved.json()["code"]) == (403, "outside_scope")


def test_grafanas_dashboards_come_in_and_go_out(shared_api):
    asks = shared_api.client.post(f"{PATH}/import", json={"dashboard": shared()}, headers=shared_api.acme.admin)
    assert (asks.status_code, asks.json()["code"]) == (422, "inputs_missing")
    assert asks.json()["errors"][0]["pointer"] == "/inputs/DS_PROM"
    sent = {"dashboard": servers(), "folder": "Linux"}
    made = shared_api.client.post(f"{PATH}/import", json=sent, headers=shared_api.acme.admin)
    assert made.status_code == 201, made.text
    assert made.json()["not_translated"] == [{"panel_id": 4, "ref_id": "A"}]
    path = f"{PATH}/{made.json()['id']}"
    exported = shared_api.client.get(f"{path}/export?format=grafana", headers=shared_api.acme.admin)
    assert exported.json() == servers()
    answer = shared_api.client.get(path, headers=shared_api.acme.admin)
    again = {
        name: value
        for name, value in answer.json().items()
        if name not in {"id", "version", "saved_by", "created_at", "updated_at"}
    }
    tag = {"if-match": answer.headers["etag"]}
    saved = shared_api.client.put(path, json={**again, "title": "Hosts"}, headers={**shared_api.acme.admin, **tag})
    assert saved.status_code == 200, saved.text
    exported = shared_api.client.get(f"{path}/export", headers=shared_api.acme.admin).json()
    assert exported == {**servers(), "title": "Hosts"}


@pytest.fixture
def elsewhere(api: ApiWorld, embedded_valkey: EmbeddedValkey) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Two processes with one cache."""
    cache = RedisCache(embedded_valkey.url(), api.clock, connect_timeout_s=1.0, timeout_s=2.0)
    try:
        ours = [replace(api.app.state.deps, cache=cache, registry=CollectorRegistry()) for _ in range(2)]
        with (
            serving(create_app(ours[0])) as one,
            serving(create_app(ours[1])) as two,
            httpx.Client(base_url=one) as here,
            httpx.Client(base_url=two) as there,
        ):
            yield here, there
        for each in ours:
            each.reads.close()
    finally:
        cache.close()


def test_a_dashboard_is_read_from_the_cache_until_somebody_saves_it(api, elsewhere):
    here, there = elsewhere
    made = make(api)
    path, admin = f"{PATH}/{made['id']}", api.acme.admin
    assert there.get(path, headers=admin).headers["cache-status"] == "strata; fwd=miss"
    kept = here.get(path, headers=admin)
    assert kept.headers["cache-status"] == "strata; hit"
    assert kept.json()["title"] == "Servers"
    unchanged = there.get(path, headers={**admin, "if-none-match": kept.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    saved = here.put(path, json={**BODY, "title": "Hosts"}, headers={**admin, "if-match": kept.headers["etag"]})
    assert saved.status_code == 200
    assert there.get(path, headers=admin).json()["title"] == "Hosts", "at once, and in every process"
    with api.acme.system_units.organization(api.acme.organization_id) as uow:
        told = uow.execute(select(outbox.c.kind).where(outbox.c.entity_kind == "dashboard")).scalars().all()
    assert told == ["dashboard.created", "dashboard.changed"]
    here.delete(path, headers={**admin, "if-match": "*"})
    assert there.get(path, headers=admin).status_code == 404

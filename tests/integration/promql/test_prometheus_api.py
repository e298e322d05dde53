"""Prometheus' API as dashboards and their connection tests use it, and what it keeps from them."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from factories.point_batches import SECOND, batch_of, point
from factories.promql_samples import SentSeries
from integration.promql.promql_world import PATH, keep, keep_samples
from strata_datamodel.limits import PROMQL_STEPS

EVERY_MS = 15_000
# What the Prometheus data source of Grafana sends, request by request.
GRAFANA = json.loads((Path(__file__).parent / "grafana_prometheus.json").read_text())


@pytest.fixture(scope="module")
def begin_ms(shared_api):
    """Series of the same names in two organizations, and one that only the second has."""
    begin_ms = (shared_api.clock.now_ns() // 10**9 // 60 - 30) * 60_000
    for tenant, factor in ((shared_api.acme, 1), (shared_api.globex, 1_000)):
        rising = [(at, float(factor * at // 1_000)) for at in range(0, 20 * 60_000, EVERY_MS)]
        keep_samples(
            shared_api, tenant, [SentSeries({"__name__": "jobs_total", "queue": tenant.slug}, rising)], begin_ms
        )
    keep_samples(shared_api, shared_api.globex, [SentSeries({"__name__": "secret", "who": "globex"}, rising)], begin_ms)
    return begin_ms


@pytest.fixture(scope="module")
def lines(shared_api, begin_ms):
    """Points of line protocol, with names that Prometheus has no signs for."""
    begin_ns = begin_ms * 10**6
    named = [
        replace(point(0, 0.0), measurement=measurement, field=field, tags=tags)
        for measurement, field, tags in (
            ("cpu", "usage_idle", (("cpu", "cpu0"), ("host.name", "web-1"))),
            ("disk io", "read/s", (("2nd", "yes"),)),
            ("cpu_usage", "idle", (("cpu", "cpu0"), ("host_name", "web-1"))),
        )
    ]
    points = [replace(each, time_ns=begin_ns + n * 10 * SECOND, value=float(n)) for each in named for n in range(60)]
    keep(shared_api, shared_api.acme, batch_of(shared_api.acme.organization_id, *points))


def ask(world, path, tenant=None, headers=None, **parameters):
    who = tenant or world.acme
    return world.client.get(f"{PATH}{path}", params=parameters, headers=headers or who.admin)


def data(answer):
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "success"
    return answer.json()["data"]


def error(answer):
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["status"] == "error"
    return answer.status_code, answer.json()["errorType"], answer.json()["error"]


@pytest.mark.parametrize("sent", GRAFANA, ids=[each["name"] for each in GRAFANA])
def test_grafana_gets_what_it_waits_for(shared_api, begin_ms, sent):
    parameters = {
        name: value.replace("{start}", str(begin_ms // 1_000)).replace("{end}", str(begin_ms // 1_000 + 1_200))
        for name, value in sent["parameters"].items()
    }
    where = {"data": parameters} if sent["method"] == "POST" else {"params": parameters}
    answer = shared_api.client.request(sent["method"], PATH + sent["path"], headers=shared_api.acme.admin, **where)
    found = data(answer)
    for key, value in sent["answer"].items():
        assert found[key] == value
    if "has" in sent:
        assert sent["has"] in found


@pytest.mark.parametrize(
    "credential",
    [
        lambda key: {"authorization": f"Bearer {key}"},
        lambda key: {"authorization": "Basic " + base64.b64encode(f"anybody:{key}".encode()).decode()},
    ],
    ids=["bearer", "basic"],
)
def test_a_key_is_a_bearer_token_or_a_password(shared_api, begin_ms, credential):
    for tenant in (shared_api.acme, shared_api.globex):
        found = data(ask(shared_api, "/series", headers=credential(tenant.admin_key), **{"match[]": "jobs_total"}))
        assert found == [{"__name__": "jobs_total", "queue": tenant.slug}]


def test_without_a_credential_that_works_prometheus_form_is_kept(shared_api):
    bare = httpx.get(f"{shared_api.url}{PATH}/query", params={"query": "1"})
    assert error(bare)[:2] == (401, "unauthorized")
    assert bare.headers["www-authenticate"].startswith("Basic ")
    assert error(ask(shared_api, "/query", headers={"authorization": "Bearer st_wrong"}, query="1"))[0] == 401
    assert error(ask(shared_api, "/query", headers=shared_api.acme.key_with("hosts:read"), query="1"))[:2] == (
        403,
        "forbidden",
    )


@pytest.mark.parametrize(
    "query",
    [
        '{__name__=~".+"}',
        'secret or {__name__="secret"}',
        'jobs_total{queue!="acme"}',
        'sum({queue=~".+"}) by (queue)',
        'count_values("stolen", {__name__!=""})',
        "max_over_time({__name__=~'.+'}[1h:1m])",
        'label_replace({__name__=~"secret|jobs_total"}, "x", "$1", "who", "(.*)")',
    ],
)
def test_nothing_of_another_organization_is_in_an_answer(shared_api, begin_ms, lines, query):
    mine = ask(shared_api, "/query", query=query, time=begin_ms / 1_000 + 600)
    theirs = ask(shared_api, "/query", shared_api.globex, query=query, time=begin_ms / 1_000 + 600)
    assert mine.status_code in {200, 422}, mine.text
    assert theirs.status_code == 200, theirs.text
    assert "globex" not in mine.text
    assert "secret" not in mine.text.replace("secret or", "")
    assert "acme" not in theirs.text
    assert "cpu" not in theirs.text


def test_nothing_of_another_organization_is_in_a_list(shared_api, begin_ms, lines):
    for path in ("/labels", "/label/queue/values", "/label/__name__/values", "/label/who/values"):
        mine, theirs = ask(shared_api, path), ask(shared_api, path, shared_api.globex)
        assert not {"globex", "secret", "who"} & set(data(mine))
        assert not {"acme", "cpu_usage_idle", "host_name"} & set(data(theirs))


def test_lines_are_there_by_measurement_and_field_in_names_that_prometheus_takes(shared_api, begin_ms, lines):
    at = {"time": begin_ms / 1_000 + 300}
    found = data(ask(shared_api, "/query", query='{__name__="disk_io_read_s"}', **at))["result"]
    assert found == [{"metric": {"__name__": "disk_io_read_s", "_2nd": "yes"}, "value": [at["time"], "30"]}]
    found = data(ask(shared_api, "/query", query='rate(disk_io_read_s{_2nd=~"y.s"}[1m])', **at))["result"]
    assert float(found[0]["value"][1]) == pytest.approx(0.1)


def test_of_two_series_with_one_name_the_answer_says_which_is_left_out(shared_api, begin_ms, lines):
    answer = ask(shared_api, "/query", query='cpu_usage_idle{host_name="web-1"}', time=begin_ms / 1_000 + 300)
    assert len(data(answer)["result"]) == 1
    assert answer.json()["warnings"] == [
        "cpu_usage_idle: field 'idle' of 'cpu_usage' has the labels of field 'usage_idle' of 'cpu', and is left out"
    ]


def test_what_is_outside_the_subset_is_named(shared_api):
    status, kind, told = error(ask(shared_api, "/query", query="holt_winters(a[5m], 0.5, 0.5)"))
    assert (status, kind) == (422, "execution")
    assert told.startswith("function holt_winters is not supported")


def test_an_error_in_a_query_is_told_with_its_place(shared_api):
    assert error(ask(shared_api, "/query", query="sum(\n  rate(up)\n)")) == (
        400,
        "bad_data",
        '2:8: parse error: expected type range vector in call to function "rate", got instant vector',
    )


def test_a_query_that_would_hold_too_much_is_refused(shared_api, begin_ms):
    span = {"start": begin_ms / 1_000, "end": begin_ms / 1_000 + PROMQL_STEPS, "step": 1}
    query = 'count_values("v", jobs_total)'
    status, kind, told = error(ask(shared_api, "/query_range", query=f"{query} or vector(1)[10w:1ms]", **span))
    assert (status, kind) == (400, "bad_data")
    status, kind, told = error(ask(shared_api, "/query_range", query="sum_over_time(vector(1)[10w:1ms])", **span))
    assert (status, kind) == (422, "execution")
    assert "are more than" in told


def test_a_query_ends_at_the_time_that_its_caller_gives_it(shared_api, begin_ms):
    answer = ask(shared_api, "/query", query="jobs_total", time=begin_ms / 1_000, timeout="-1")
    assert error(answer)[:2] == (503, "timeout")

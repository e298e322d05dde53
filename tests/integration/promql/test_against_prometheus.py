"""The same samples in a real Prometheus and in Strata, and the same queries to both."""

import fcntl
import math

import httpx
import pytest

from factories import promql_corpus
from factories.promql_samples import SentSeries, sent_series
from integration.promql.promql_world import PATH, keep_samples, send_to_prometheus

MINUTE_MS = 60_000
AT_MINUTES = 30
RANGE_MINUTES = (-1, 52)
STEP_S = 61
TABLES = (
    "LITERALS",
    "SELECTORS",
    "RANGES",
    "RATES",
    "OVER_TIME",
    "AGGREGATIONS",
    "OPERATORS",
    "FUNCTIONS",
    "ERRORS",
)


def sent_once(prometheus_url, clock, folder) -> int:
    """When the samples begin. One Prometheus serves all workers of a run: the first that comes sends, and tells."""
    with (folder / "prometheus-begins").open("a+") as told:
        fcntl.flock(told, fcntl.LOCK_EX)
        told.seek(0)
        if text := told.read():
            return int(text)
        begin_ms = (clock.now_ns() // 10**9 // 60 - 60) * MINUTE_MS
        send_to_prometheus(prometheus_url, sent_series(), begin_ms)
        told.write(str(begin_ms))
        return begin_ms


@pytest.fixture(scope="module")
def begin_ms(shared_api, prometheus_url, tmp_path_factory, request):
    """Both hold the samples from then on. The other organization has series of the same names, with other values."""
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if hasattr(request.config, "workerinput") else own
    begin_ms = sent_once(prometheus_url, shared_api.clock, folder)
    keep_samples(shared_api, shared_api.acme, sent_series(), begin_ms)
    others = [
        SentSeries({**each.labels, "theirs": "yes"}, [(at, 1.0) for at, _ in each.samples]) for each in sent_series()
    ]
    keep_samples(shared_api, shared_api.globex, others, begin_ms)
    return begin_ms


@pytest.fixture(scope="module")
def clients(shared_api, prometheus_url):
    with (
        httpx.Client(base_url=f"{prometheus_url}/api/v1", timeout=30) as theirs,
        httpx.Client(base_url=f"{shared_api.url}{PATH}", timeout=30, headers=shared_api.acme.admin) as ours,
    ):
        yield theirs, ours


def instant(query: str, begin_ms: int):
    return "/query", {"query": query, "time": begin_ms / 1_000 + AT_MINUTES * 60}


def in_range(query: str, begin_ms: int):
    start, end = (begin_ms / 1_000 + minutes * 60 for minutes in RANGE_MINUTES)
    return "/query_range", {"query": query, "start": start, "end": end, "step": STEP_S}


def is_near(one: str, other: str) -> bool:
    left, right = float(one), float(other)
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return left == right or abs(left - right) <= 1e-9 * max(abs(left), abs(right))


def series_of(data):
    """Each by its labels: times and values. Only `sort` and the like promise an order."""
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        result = [{"metric": {}, "value": result}]
    found = {}
    for each in result:
        labels = tuple(sorted(each["metric"].items()))
        assert labels not in found
        found[labels] = each["values"] if "values" in each else [each["value"]]
    return found


def kind_of(answer):
    return answer["status"], answer.get("errorType"), answer.get("data", {}).get("resultType")


def difference(theirs: httpx.Response, ours: httpx.Response) -> str | None:
    expected, found = theirs.json(), ours.json()
    if kind_of(expected) != kind_of(found) or theirs.status_code != ours.status_code:
        return f"{theirs.status_code} {theirs.text[:300]} but {ours.status_code} {ours.text[:300]}"
    if found["status"] == "error":
        return None if found["error"] else "an error that says nothing"
    if found["data"]["resultType"] == "string":
        return None if expected["data"] == found["data"] else f"{expected['data']} but {found['data']}"
    return other_points(series_of(expected["data"]), series_of(found["data"]))


def other_points(left, right) -> str | None:
    if set(left) != set(right):
        return f"only there {sorted(set(left) - set(right))}, only here {sorted(set(right) - set(left))}"
    for labels, points in left.items():
        if [at for at, _ in points] != [at for at, _ in right[labels]]:
            return f"{labels}: at {points} but {right[labels]}"
        for one, other in zip(points, right[labels], strict=True):
            if not is_near(one[1], other[1]):
                return f"{labels}: {one} but {other}"
    return None


@pytest.mark.parametrize("ask", [instant, in_range], ids=["instant", "range"])
@pytest.mark.parametrize("table", TABLES)
def test_it_answers_as_prometheus_does(clients, begin_ms, table, ask):
    differences = {}
    for query in promql_corpus.queries(getattr(promql_corpus, table), begin_ms):
        path, form = ask(query, begin_ms)
        theirs, ours = (client.post(path, data=form) for client in clients)
        if (found := difference(theirs, ours)) is not None:
            differences[query] = found
    assert differences == {}


@pytest.mark.parametrize("query", ["sort(temperature_celsius)", "sort_desc(undefined)", "topk(3, temperature_celsius)"])
def test_what_is_sorted_comes_in_order(clients, begin_ms, query):
    path, form = instant(query, begin_ms)
    orders = [[each["metric"] for each in client.post(path, data=form).json()["data"]["result"]] for client in clients]
    assert orders[0] == orders[1]
    assert orders[0]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/series", {"match[]": ['{room="attic"}', "worded"]}),
        ("/series", {"match[]": "nothing_like_it"}),
        ("/series", {}),
        ("/series", {"match[]": "{"}),
        ("/labels", {}),
        ("/labels", {"match[]": 'latency_seconds_bucket{path="/"}'}),
        ("/label/__name__/values", {}),
        ("/label/room/values", {}),
        ("/label/room/values", {"match[]": 'temperature_celsius{floor="1"}'}),
        ("/label/nothing/values", {}),
        ("/query", {"query": ""}),
        ("/query", {"query": "up", "time": "yesterday"}),
        ("/query_range", {"query": "up", "start": "5", "end": "1", "step": "1"}),
        ("/query_range", {"query": "up", "start": "0", "end": "1", "step": "0"}),
        ("/query_range", {"query": "up", "start": "0", "end": "110010", "step": "10"}),
        ("/query_range", {"query": "up", "start": "0", "end": "10", "step": "1m"}),
        ("/query_range", {"query": "up[5m]", "start": "0", "end": "10", "step": "5"}),
    ],
)
def test_lists_and_wrong_parameters_are_as_prometheus_has_them(clients, begin_ms, path, query):
    theirs, ours = (client.get(path, params=query) for client in clients)
    assert ours.status_code == theirs.status_code
    if theirs.is_success and "data" in theirs.json() and isinstance(theirs.json()["data"], list):
        key = str if path != "/series" else lambda labels: sorted(labels.items())
        assert sorted(ours.json()["data"], key=key) == sorted(theirs.json()["data"], key=key)
    else:
        assert {**ours.json(), "error": ""} == {**theirs.json(), "error": ""}

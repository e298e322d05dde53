import pytest

from factories.log_events import event_id_of, log_batch, log_event
from factories.point_batches import MINUTE, SECOND, batch_of, point

METRICS = "/api/v1/orgs/acme/metrics/query"
LOGS = "/api/v1/orgs/acme/logs/search"


@pytest.fixture(scope="module")
def start_ns(shared_api):
    """The beginning of a minute some minutes ago."""
    now_ns = shared_api.clock.now_ns()
    return now_ns - now_ns % MINUTE - 10 * MINUTE


@pytest.fixture(scope="module")
def filled(shared_api, start_ns):
    """Points and lines of both organizations."""
    deps = shared_api.app.state.deps
    for tenant, factor in ((shared_api.acme, 1), (shared_api.globex, 1000)):
        points = [
            point(start_ns + number * 10 * SECOND, float(number * factor), host=f"h{number % 2}")
            for number in range(12)
        ]
        deps.metric_store.write(batch_of(tenant.organization_id, *points))
        events = [
            log_event(f"{tenant.slug} line {number}", start_ns + number * SECOND, event_id=event_id_of(number))
            for number in range(7)
        ]
        outcome = deps.log_store.write(log_batch(tenant.organization_id, *events))
        assert outcome.rejected == ()
    deps.log_store.refresh()
    return shared_api


def ask(world, **changes):
    body = {"measurement": "cpu", "field": "usage", "aggregate": "sum", "from": "now-1h", **changes}
    return world.client.post(METRICS, json=body, headers=world.acme.admin)


def search(world, **body):
    return world.client.post(LOGS, json=body, headers=world.acme.admin)


def test_a_field_is_summed_by_minute_and_host(filled, start_ns):
    answer = ask(filled, step="60s", group_by=["host"])
    assert answer.status_code == 200, answer.text
    first, second = start_ns // 1_000_000, (start_ns + MINUTE) // 1_000_000
    assert answer.json()["series"] == [
        {"tags": {"host": "h0"}, "points": [[first, 0 + 2 + 4], [second, 6 + 8 + 10]]},
        {"tags": {"host": "h1"}, "points": [[first, 1 + 3 + 5], [second, 7 + 9 + 11]]},
    ]


def test_the_answer_says_which_tier_gave_it(filled):
    segments = ask(filled).json()["segments"]
    assert [(each["tier"], each["resolution"], each["coverage"]) for each in segments] == [("raw", "10s", 1.0)]
    assert segments[0]["from"].endswith("Z")
    gone, kept = ask(filled, **{"from": "now-14d"}).json()["segments"]
    assert (gone["coverage"], kept["coverage"]) == (0.0, 1.0)
    assert gone["to"] == kept["from"]
    nothing = ask(filled, **{"from": "now-14d", "to": "now-10d"}).json()
    assert [each["coverage"] for each in nothing["segments"]] == [0.0]


def test_a_member_sees_how_long_metrics_are_kept(filled):
    answer = filled.client.get(f"{filled.acme.path}/metrics/retention", headers=filled.acme.admin).json()
    days = [(each["tier"], each["kept_s"] // 86_400, each["longest_s"] // 86_400) for each in answer["items"]]
    assert days == [("raw", 7, 30), ("1m", 30, 90), ("5m", 90, 365), ("1h", 365, 5 * 365)]


@pytest.mark.parametrize(
    ("aggregate", "value"),
    [("count", 12), ("avg", 5.5), ("min", 0), ("max", 11), ("first", 0), ("last", 11), ("p50", 5), ("p99", 11)],
)
def test_each_aggregate_of_the_fixed_surface_answers(filled, aggregate, value):
    assert ask(filled, aggregate=aggregate).json()["series"][0]["points"][0][1] == value


@pytest.mark.parametrize(
    ("sent", "total"),
    [
        ({"tag": "host", "op": "=", "value": "h0"}, 30),
        ({"tag": "host", "op": "!=", "value": "h0"}, 36),
        ({"tag": "host", "op": "=~", "value": "^h[01]$"}, 66),
        ({"tag": "host", "op": "!~", "value": "1"}, 30),
        ({"tag": "host", "op": "in", "value": ["h1", "h9"]}, 36),
    ],
)
def test_each_operator_of_the_fixed_surface_filters(filled, sent, total):
    assert ask(filled, filters=[sent]).json()["series"][0]["points"][0][1] == total


@pytest.mark.parametrize("form", ["rfc3339", "epoch"])
def test_a_range_is_given_in_any_form(filled, start_ns, form):
    begin, end = start_ns // 1_000_000, (start_ns + MINUTE) // 1_000_000
    if form == "rfc3339":
        segment = ask(filled, **{"from": begin, "to": end}).json()["segments"][0]
        begin, end = segment["from"], segment["to"]
    assert ask(filled, **{"from": begin, "to": end}).json()["series"][0]["points"][0][1] == 15


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"aggregate": "median"}, "/aggregate"),
        ({"aggregate": "percentile"}, "/aggregate"),
        ({"aggregate": "p1000"}, "/aggregate"),
        ({"step": "0s"}, "/step"),
        ({"from": "yesterday"}, "/from"),
        ({"to": "2026-13-01T00:00:00Z"}, "/to"),
        ({"measurement": ""}, "/measurement"),
        ({"filters": [{"tag": "host", "op": "like", "value": "x"}]}, "/filters/0/op"),
        ({"group_by": ["x"] * 99}, "/group_by"),
        ({"bucket": "raw"}, "/bucket"),
    ],
)
def test_a_question_that_cannot_be_is_refused_by_the_field(shared_api, changes, pointer):
    answer = ask(shared_api, **changes)
    assert answer.status_code == 422, answer.text
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"step": "1ms", "from": "now-7d"}, "query_points"),
        ({"from": "now", "to": "now-1h"}, "bad_range"),
        ({"filters": [{"tag": "host", "op": "=~", "value": "("}]}, None),
        ({"measurement": "a\nb"}, "bad_query"),
    ],
)
def test_a_question_that_is_too_much_or_makes_no_sense_is_refused(filled, changes, code):
    answer = ask(filled, **changes)
    assert answer.status_code == 422, answer.text
    assert code is None or answer.json()["code"] == code


def test_an_unknown_measurement_is_an_empty_answer(filled):
    assert ask(filled, measurement="nothing").json()["series"] == []


def test_logs_are_searched_and_paged_to_the_end(filled):
    body = {"query": "line", "from": "now-1h", "limit": 3}
    seen, cursor = [], None
    while True:
        page = search(filled, **body, **({"cursor": cursor} if cursor else {}))
        assert page.status_code == 200, page.text
        seen += [item["message"] for item in page.json()["items"]]
        assert page.json()["total"] == {"value": 7, "relation": "eq"}
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"acme line {number}" for number in reversed(range(7))]


def test_a_log_line_has_all_its_fields(filled):
    item = search(filled, limit=1, order="asc", **{"from": "now-1h"}).json()["items"][0]
    assert set(item) == {
        *("id", "timestamp", "level", "message", "host_id", "service_id", "stream", "tags", "metadata")
    }
    assert item["id"] == event_id_of(0)
    assert item["timestamp"].endswith("Z")


def test_a_search_cursor_of_another_organization_is_refused(filled):
    cursor = search(filled, limit=1, **{"from": "now-1h"}).json()["next_cursor"]
    theirs = filled.client.post(
        "/api/v1/orgs/globex/logs/search",
        json={"limit": 1, "from": "now-1h", "cursor": cursor},
        headers=filled.globex.admin,
    )
    assert (theirs.status_code, theirs.json()["code"]) == (422, "bad_cursor")


@pytest.mark.parametrize("query", ["(", "level:", 'a "b', "AND", "NOT", "x" * 5000])
def test_a_search_that_cannot_be_read_is_refused(filled, query):
    answer = search(filled, query=query, **{"from": "now-1h"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"]


def test_nobody_else_is_in_any_answer(filled):
    assert "globex" not in search(filled, limit=100, **{"from": "now-1h"}).text
    assert ask(filled, aggregate="max").json()["series"][0]["points"][0][1] == 11

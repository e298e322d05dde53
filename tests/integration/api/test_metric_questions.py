"""Several questions in one request: named, reckoned with each other, compared with earlier, filled and ranked."""

import pytest

from factories.point_batches import MINUTE, batch_of, point

PATH = "/api/v1/orgs/acme/metrics/query"


@pytest.fixture(scope="module")
def start_ns(shared_api):
    now_ns = shared_api.clock.now_ns()
    return now_ns - now_ns % MINUTE - 10 * MINUTE


@pytest.fixture(scope="module")
def filled(shared_api, start_ns):
    """Of hosts a, b and c, in windows 0 and 2; an hour earlier half of it. The other one has a thousandfold."""
    store = shared_api.app.state.deps.metric_store
    for tenant, factor in ((shared_api.acme, 1), (shared_api.globex, 1000)):
        points = [
            point(start_ns + window * MINUTE + 1, value * factor, field=field, host=host)
            for window in (0, 2)
            for place, host in enumerate("abc")
            for field, value in (("used", 10.0 * (place + 1)), ("size", 100.0 * place))
        ]
        earlier = [
            point(start_ns + window * MINUTE - 60 * MINUTE + 1, 5.0 * factor, field="used", host="a")
            for window in (0, 2)
        ]
        store.write(batch_of(tenant.organization_id, *points, *earlier))
    return shared_api


def ask(world, body, **headers):
    return world.client.post(PATH, json=body, headers={**world.acme.admin, **headers})


def query(start_ns, field="used", **changes):
    begin = start_ns // 1_000_000
    common = {"from": begin, "to": begin + 240_000, "step": "60s", "group_by": ["host"]}
    return {"measurement": "cpu", "field": field, "aggregate": "sum", **common, **changes}


def told(series, start_ns):
    begin = start_ns // 1_000_000
    return {
        each["tags"].get("host", ""): {(at - begin) // 60_000: value for at, value in each["points"]} for each in series
    }


def test_queries_are_named_and_reckoned_with_each_other(filled, start_ns):
    body = {
        "queries": [
            {"name": "used", **query(start_ns)},
            {"name": "size", **query(start_ns, "size")},
            {"name": "all", **query(start_ns, group_by=[])},
        ],
        "expressions": [
            {"name": "ratio", "expression": "used / size * 100"},
            {"name": "share", "expression": "used / all"},
            {"name": "rest", "expression": "100 - ratio"},
        ],
    }
    answer = ask(filled, body)
    assert answer.status_code == 200, answer.text
    results = {each["name"]: each for each in answer.json()["results"]}
    assert list(results) == ["used", "size", "all", "ratio", "share", "rest"]
    # Of host a there is nothing to divide by.
    assert told(results["ratio"]["series"], start_ns) == {"b": {0: 20.0, 2: 20.0}, "c": {0: 15.0, 2: 15.0}}
    assert told(results["rest"]["series"], start_ns)["c"] == {0: 85.0, 2: 85.0}
    assert told(results["share"]["series"], start_ns)["c"] == {0: 0.5, 2: 0.5}
    assert results["used"]["segments"][0]["tier"] == "raw"
    assert results["ratio"]["segments"] == []


def test_windows_are_filled_and_only_the_best_are_told(filled, start_ns):
    body = query(start_ns, fill=0, top={"k": 2, "by": "avg"})
    assert told(ask(filled, body).json()["series"], start_ns) == {
        "c": {0: 30.0, 1: 0.0, 2: 30.0, 3: 0.0},
        "b": {0: 20.0, 1: 0.0, 2: 20.0, 3: 0.0},
    }
    body = query(start_ns, fill="null", bottom={"k": 1})
    assert told(ask(filled, body).json()["series"], start_ns) == {"a": {0: 10.0, 1: None, 2: 10.0, 3: None}}


def test_an_earlier_range_is_told_apart_at_the_times_it_is_compared_with(filled, start_ns):
    answer = ask(filled, query(start_ns, compare=["-1h", "-3h"], fill="previous")).json()
    assert len(answer["series"]) == 3
    hour, three = answer["compared"]
    assert (hour["shift"], told(hour["series"], start_ns)) == ("-1h", {"a": {0: 5.0, 1: 5.0, 2: 5.0, 3: 5.0}})
    assert hour["segments"][0]["to"] < answer["segments"][0]["from"]
    assert (three["shift"], three["series"]) == ("-3h", [])
    ranked = ask(filled, query(start_ns, compare=["-1h"], top={"k": 1})).json()
    assert ranked["compared"][0]["series"] == []  # host a is not among those that are told


def test_points_are_picked_by_value(filled, start_ns):
    body = query(start_ns, value_filters=[{"op": ">", "value": 10}], group_by=[], aggregate="distinct")
    assert told(ask(filled, body).json()["series"], start_ns) == {"": {0: 2.0, 2: 2.0}}


def test_a_question_without_a_step_is_one_instant(filled, start_ns):
    body = {"queries": [{"name": "a", **query(start_ns, step=None, group_by=[])}]}
    body["expressions"] = [{"name": "half", "expression": "a / 2"}]
    results = ask(filled, body).json()["results"]
    assert told(results[1]["series"], start_ns) == {"": {0: 60.0}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"expressions": [{"name": "x", "expression": "a +"}]}, "bad_expression"),
        ({"expressions": [{"name": "x", "expression": "y + 1"}]}, "bad_expression"),
        ({"expressions": [{"name": "x", "expression": "x + a"}]}, "bad_expression"),
        ({"expressions": [{"name": "a", "expression": "a + 1"}]}, "bad_query"),
        ({"expressions": [{"name": "x", "expression": "((" * 60 + "a"}]}, "expression_size"),
        ({"changes": {"step": "1ms", "from": "now-9m", "to": "now"}}, "query_points"),
        ({"changes": {"compare": ["-90s"]}}, "bad_compare"),
        ({"changes": {"compare": ["1w"]}}, "bad_compare"),
        ({"changes": {"step": None, "fill": "null"}}, "bad_fill"),
        ({"changes": {"top": {"k": 1}, "bottom": {"k": 1}}}, "bad_ranking"),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(filled, start_ns, body, code):
    changed = query(start_ns, **body.get("changes", {}))
    answer = ask(filled, {"queries": [{"name": "a", **changed}], "expressions": body.get("expressions", [])})
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [({"aggregate": "median"}, "/queries/1/aggregate"), ({"field": ""}, "/queries/1/field"), ({"name": "1"}, None)],
)
def test_what_is_wrong_is_pointed_to(filled, start_ns, changes, pointer):
    good = {"name": "a", **query(start_ns)}
    answer = ask(filled, {"queries": [good, {"name": "b", **query(start_ns), **changes}]})
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer or "/queries/1/name"]


def test_an_answer_is_kept_with_all_that_was_asked(filled, start_ns):
    body = {"queries": [{"name": "a", **query(start_ns, fill=1)}]}
    assert ask(filled, body).headers["cache-status"] == "strata; fwd=miss"
    assert ask(filled, body).headers["cache-status"] == "strata; hit"
    other = ask(filled, {"queries": [{"name": "a", **query(start_ns, fill=2)}]})
    assert (other.headers["cache-status"], "2.0" in other.text) == ("strata; fwd=miss", True)


def test_of_the_other_organization_nothing_is_in_any_answer(filled, start_ns):
    body = {"queries": [{"name": "a", **query(start_ns, compare=["-1h"])}]}
    body["expressions"] = [{"name": "b", "expression": "a * 1"}]
    ours = ask(filled, body)
    theirs = filled.client.post(PATH.replace("acme", "globex"), json=body, headers=filled.globex.admin)
    for result, other in zip(ours.json()["results"], theirs.json()["results"], strict=True):
        assert max(value for each in result["series"] for _, value in each["points"]) == 30.0
        assert min(value for each in other["series"] for _, value in each["points"]) == 10_000.0

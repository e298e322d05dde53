"""InfluxQL over HTTP: the ways in, Grafana's own requests, and two organizations that call everything the same."""

import base64
import json
import re

import pytest

from factories.influxql_data import HOUR_NS, MINUTE_NS, SECOND_NS, given, lines

PATHS = ("/influxdb/query", "/query")
ACME_HOSTS = [["host", "a"], ["host", "b"], ["host", "c"]]


@pytest.fixture(scope="module")
def base_ns(shared_api) -> int:
    return (shared_api.clock.now_ns() // HOUR_NS - 3) * HOUR_NS


@pytest.fixture(scope="module")
def world(shared_api, base_ns):
    """globex has all names of acme, and some of its own."""
    given(shared_api, shared_api.acme, lines(base_ns))
    theirs = "\n".join(
        f"cpu,host=hidden{each},region=hidden,clearance=top usage={1000 + each},hidden=1 {base_ns + each * SECOND_NS}"
        for each in range(5)
    )
    given(shared_api, shared_api.globex, f"{theirs}\nhidden_measurement,host=hidden v=1 {base_ns}\n")
    return shared_api


def asked(world, query: str, tenant=None, path: str = PATHS[0], **params: str):
    key = (tenant or world.acme).admin_key
    return world.client.get(path, params={"db": "x", "q": query, **params}, auth=("anybody", key))


def results(world, query: str, **params: str) -> list[dict]:
    answer = asked(world, query, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


@pytest.mark.parametrize("path", PATHS)
def test_a_key_is_taken_however_it_comes(world, path):
    key = world.acme.admin_key
    basic = base64.b64encode(f"user:{key}".encode()).decode()
    expected = [{"statement_id": 0, "series": [{"name": "databases", "columns": ["name"], "values": [["x"]]}]}]
    for headers in (f"Basic {basic}", f"Token {key}", f"Token user:{key}", f"Bearer {key}"):
        asked = {"db": "x", "q": "SHOW DATABASES"}
        got = world.client.get(path, params=asked, headers={"authorization": headers})
        posted = world.client.post(path, data=asked, headers={"authorization": headers})
        assert got.json()["results"] == posted.json()["results"] == expected
    by_address = world.client.post(path, params={"u": "user", "p": key}, data={"db": "x", "q": "SHOW DATABASES"})
    assert by_address.json()["results"] == expected


def test_refusals_of_keys_are_told_in_influxdbs_form(world):
    nobody = world.client.get(PATHS[0], params={"q": "SHOW DATABASES"})
    assert (nobody.status_code, list(nobody.json())) == (401, ["error"])
    assert nobody.headers["www-authenticate"].startswith("Basic")
    wrong = world.client.get(PATHS[0], params={"q": "SHOW DATABASES", "u": "x", "p": "wrong"})
    assert wrong.status_code == 401
    writer = world.client.get(PATHS[0], params={"q": "SHOW DATABASES"}, headers=world.acme.key_with("metrics:write"))
    assert writer.status_code == 403
    assert "metrics:read" in writer.json()["error"]
    assert writer.headers["x-influxdb-error"] == writer.json()["error"]


def test_the_address_alone_gives_no_key_to_other_routes(world):
    assert world.client.get("/api/v1/me", params={"p": world.acme.admin_key}).status_code == 401


def test_what_is_not_asked_well_is_400(world):
    ended = "found EOF, expected identifier, string, number, bool at line 1, char 8"
    for query, params, error in (
        (" ", {}, 'missing required parameter "q"'),
        ("SELECT", {}, f"error parsing query: {ended}"),
        ("SELECT $a FROM b", {"params": "{"}, "error parsing query: the parameters are not JSON"),
        ("SELECT a FROM b WHERE c =~ /(/", {}, "error parsing query: not a regex"),
        ('SELECT a FROM "b\x00"', {}, "error parsing query: a query and its parameters cannot hold NUL"),
        ("SELECT $a FROM b", {"params": '{"a": "\\u0000"}'}, "error parsing query: a query and its parameters"),
        ("x" * 65_537, {}, "error parsing query: characters of a query: at most 65536"),
    ):
        sent = {"db": "x", "q": query, **params}
        answer = world.client.post(PATHS[0], data=sent, headers=world.acme.admin)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"].startswith(error)


def test_bound_values_are_used(world):
    query = "SELECT count(usage) FROM cpu WHERE host = $host"
    (found,) = results(world, query, params=json.dumps({"host": "a"}), epoch="ms")
    assert found["series"][0]["values"] == [[0, 60]]
    (nothing,) = results(world, query, params=json.dumps({"host": "a' OR 'a' = 'a"}))
    assert "series" not in nothing


def test_retention_policies_are_the_tiers(world):
    (found,) = results(world, "SHOW RETENTION POLICIES ON x")
    assert [row[0] for row in found["series"][0]["values"]] == ["raw", "1m", "5m", "1h"]
    assert [row[4] for row in found["series"][0]["values"]] == [True, False, False, False]


@pytest.mark.parametrize("policy", ["", "autogen", "raw", "1m", "5m", "1h"])
def test_qualified_names_lead_to_ones_own(world, policy):
    (found,) = results(world, f'SELECT count(usage) FROM "x"."{policy}"."cpu" WHERE host = \'a\'', epoch="ms")
    assert found["series"][0]["values"] == [[0, 60]]


@pytest.mark.parametrize(
    "query",
    [
        'SELECT usage FROM "globex"."raw"."cpu"',
        'SELECT usage FROM "globex"..cpu',
        'SELECT usage FROM "_internal".."runtime"',
        'SELECT usage FROM "x"."hidden"."cpu"',
        "SELECT mean(usage) FROM (SELECT usage FROM globex..cpu)",
        "SELECT usage FROM globex.raw./.*/",
        "SHOW TAG VALUES ON globex WITH KEY = host",
        "SHOW MEASUREMENTS ON globex",
        "SHOW FIELD KEYS ON globex FROM cpu",
        "SHOW SERIES ON globex",
        "SHOW RETENTION POLICIES ON globex",
        "SELECT usage INTO stolen FROM cpu",
        "CREATE DATABASE x",
        "DROP SERIES FROM cpu",
        "DELETE FROM cpu",
        "GRANT ALL TO x",
        "EXPLAIN SELECT usage FROM cpu",
        "SHOW USERS",
    ],
)
def test_what_leads_elsewhere_or_changes_something_is_refused_by_name(world, query):
    (found,) = results(world, query)
    assert "is not supported" in found["error"]
    assert "hidden" not in json.dumps(found.get("series", ""))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM /.*/",
        "SELECT * FROM cpu GROUP BY *",
        "SELECT hidden FROM cpu",
        "SELECT usage FROM cpu WHERE region = 'hidden'",
        "SELECT usage FROM cpu WHERE region =~ /hid/ OR clearance = 'top'",
        "SELECT count(usage) FROM cpu WHERE usage >= 1000",
        "SELECT max(usage) FROM cpu GROUP BY host, region",
        "SELECT max(m) FROM (SELECT max(usage) AS m FROM cpu GROUP BY host) WHERE m >= 1000",
        "SELECT count(v) FROM hidden_measurement",
        "SHOW MEASUREMENTS",
        "SHOW MEASUREMENTS WITH MEASUREMENT =~ /hid/",
        "SHOW TAG KEYS",
        "SHOW TAG VALUES WITH KEY =~ /.*/",
        "SHOW TAG VALUES FROM cpu WITH KEY = host WHERE region = 'hidden'",
        "SHOW FIELD KEYS",
        "SHOW SERIES",
        "SHOW SERIES WHERE clearance = 'top'",
        "SELECT usage FROM \"cpu\" WHERE host = 'a' OR 'x' = 'x' AND region = 'hidden'",
    ],
)
def test_nothing_of_another_organization_is_in_an_answer(world, query):
    ours = json.dumps([each.get("series") for each in results(world, query, epoch="s")])
    assert re.search(r"hidden|clearance|top|\b100[0-4]\b", ours) is None
    theirs = asked(world, query, world.globex).text
    assert '"a"' not in theirs
    assert "events" not in theirs


def test_the_other_organization_has_its_own(world):
    (found,) = results(world, "SHOW TAG VALUES FROM cpu WITH KEY = host")
    assert found["series"][0]["values"] == ACME_HOSTS
    theirs = asked(world, "SELECT max(usage) FROM cpu", world.globex, epoch="ms").json()["results"][0]
    assert theirs["series"][0]["values"][0][1] == 1004


def test_a_statement_that_is_refused_ends_the_request(world):
    found = results(world, "SHOW DATABASES; SELECT nosuch(usage) FROM cpu; SHOW DATABASES")
    assert [sorted(each) for each in found] == [
        ["series", "statement_id"],
        ["error", "statement_id"],
        ["error", "statement_id"],
    ]
    assert found[2]["error"] == "not executed"


def test_an_answer_that_would_be_too_much_is_refused_with_the_limit(world, base_ns):
    first = base_ns - 5 * 24 * HOUR_NS
    (found,) = results(world, f"SELECT mean(usage) FROM cpu WHERE time >= {first} GROUP BY time(100ms)")
    assert "500000" in found["error"]


def test_pretty_answers_are_indented(world):
    assert asked(world, "SHOW DATABASES", pretty="true").text.startswith('{\n  "results"')


def test_grafanas_connection_test_and_panels_are_answered(world, base_ns):
    """As its InfluxDB data source sends them."""
    tested = world.client.get(
        PATHS[0], params={"db": "metrics", "epoch": "ms", "q": "SHOW measurements"}, auth=("u", world.acme.admin_key)
    )
    (found,) = tested.json()["results"]
    assert found["series"][0]["columns"] == ["name"]
    assert ["cpu"] in found["series"][0]["values"]
    begin, end = base_ns // 1_000_000, (base_ns + 10 * MINUTE_NS) // 1_000_000
    panel = (
        f'SELECT mean("usage") FROM "cpu" WHERE ("host"::tag =~ /^(a|b)$/) AND time >= {begin}ms and time <= {end}ms '
        'GROUP BY time(2m), "host"::tag fill(null)'
    )
    (drawn,) = world.client.post(
        PATHS[0], data={"db": "metrics", "epoch": "ms", "q": panel}, auth=("u", world.acme.admin_key)
    ).json()["results"]
    assert [each["tags"] for each in drawn["series"]] == [{"host": "a"}, {"host": "b"}]
    assert [row[0] for row in drawn["series"][0]["values"]] == [begin + step * 120_000 for step in range(6)]
    for explored in (
        'SHOW TAG KEYS FROM "cpu"',
        'SHOW FIELD KEYS FROM "cpu"',
        'SHOW TAG VALUES FROM "cpu" WITH KEY = "host" WHERE "region" = \'eu\'',
        'SHOW RETENTION POLICIES on "metrics"',
        f'SELECT "state" FROM "cpu" WHERE time >= {begin}ms and time <= {end}ms ORDER BY time DESC LIMIT 3',
    ):
        (told,) = world.client.get(
            PATHS[0], params={"db": "metrics", "q": explored}, auth=("u", world.acme.admin_key)
        ).json()["results"]
        assert told["series"][0]["values"], explored


def test_a_field_that_holds_several_classes_is_told_in_one(world, base_ns):
    given(world, world.acme, f"mixed,host=a usage=1.5 {base_ns}\n")
    given(world, world.acme, f'mixed,host=b usage="text" {base_ns}\n')
    told, shown = results(world, "SELECT usage, host FROM mixed; SHOW FIELD KEYS FROM mixed", epoch="ns")
    assert told["series"][0]["values"] == [[base_ns, 1.5, "a"]]
    assert shown["series"][0]["values"] == [["usage", "float"]]

"""Differential: what InfluxDB 1.8 answers to the same lines, Strata answers, value by value, and errors word by word.

What differs on purpose is in docs/guide/influxql.md, and in no query here.
"""

import json
import math
from datetime import UTC, datetime
from itertools import groupby

import httpx
import pytest

from factories import influxql_corpus
from factories.influxql_data import HOUR_NS, MINUTE_NS, given, lines

ANSWERED = ("RAW", "WHERE", "AGGREGATES", "WINDOWS", "TRANSFORMS", "SUBQUERIES", "SHOW")
AT_ONCE = 12


@pytest.fixture
def base_ns(shared_api) -> int:
    """Yesterday: points are kept, and none is in the future."""
    return (shared_api.clock.now_ns() // HOUR_NS - 26) * HOUR_NS


@pytest.fixture
def influx(influx_url, influx_database, base_ns):
    with httpx.Client(base_url=influx_url, params={"db": influx_database, "epoch": "ms"}, timeout=30) as client:
        client.post("/write", content=lines(base_ns).encode()).raise_for_status()
        yield client


@pytest.fixture
def strata(shared_api, base_ns):
    """Beside another organization with the same names."""
    given(shared_api, shared_api.acme, lines(base_ns))
    given(shared_api, shared_api.globex, f"cpu,host=a,region=eu,secret=s usage=777,secret=1 {base_ns + MINUTE_NS}\n")
    auth = ("grafana", shared_api.acme.admin_key)
    with shared_api.visitor(params={"db": "any", "epoch": "ms"}, auth=auth, timeout=30) as client:
        yield client


def test_answers_are_those_of_influxdb(influx, strata, base_ns):
    wrong = [
        f"{query}\n  InfluxDB: {json.dumps(theirs)[:600]}\n  Strata:   {json.dumps(ours)[:600]}"
        for queries in batches(base_ns)
        for query, theirs, ours in zip(
            queries, results(influx, "/query", queries), results(strata, "/influxdb/query", queries), strict=True
        )
        if not is_same(in_order(theirs), in_order(ours))
    ]
    assert not wrong, "\n".join([f"{len(wrong)} differ", *wrong])


def test_refusals_are_those_of_influxdb(influx, strata, base_ns):
    wrong = []
    for query in (dated(each, base_ns) for each in (*influxql_corpus.UNPARSABLE, *influxql_corpus.REFUSED)):
        theirs, ours = (client.get(path, params={"q": query}) for client, path in paths(influx, strata))
        if (theirs.status_code, theirs.json()) != (ours.status_code, ours.json()):
            wrong.append(f"{query}\n  InfluxDB: {theirs.text[:300]}\n  Strata:   {ours.text[:300]}")
    assert not wrong, "\n".join([f"{len(wrong)} differ", *wrong])


@pytest.mark.parametrize("epoch", ["", "ns", "u", "s", "m", "h"])
def test_times_are_told_as_by_influxdb(influx, strata, epoch):
    query = "SELECT usage FROM cpu WHERE host = 'c' LIMIT 3; SELECT count(usage) FROM cpu"
    theirs, ours = (client.get(path, params={"q": query, "epoch": epoch}) for client, path in paths(influx, strata))
    assert ours.json() == theirs.json()


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_chunks_are_those_of_influxdb(influx, strata, size):
    query = "SELECT usage FROM cpu WHERE usage > 44 GROUP BY host; SELECT usage FROM nosuch; SELECT level FROM events"
    asked = {"q": query, "chunked": "true", "chunk_size": size}
    theirs, ours = (client.get(path, params=asked) for client, path in paths(influx, strata))
    assert [json.loads(line) for line in ours.text.splitlines()] == [
        json.loads(each) for each in theirs.text.splitlines()
    ]


def test_csv_is_that_of_influxdb(influx, strata):
    query = "SELECT usage, state, ok FROM cpu WHERE host = 'a' GROUP BY region, host; SELECT level FROM events"
    headers = {"accept": "application/csv"}
    theirs, ours = (client.get(path, params={"q": query}, headers=headers) for client, path in paths(influx, strata))
    assert ours.text == theirs.text


def paths(influx, strata):
    return (influx, "/query"), (strata, "/influxdb/query")


def batches(base_ns: int):
    queries = [dated(query, base_ns) for part in ANSWERED for query in getattr(influxql_corpus, part)]
    assert len(queries) >= 150
    for at in range(0, len(queries), AT_ONCE):
        yield queries[at : at + AT_ONCE]


def dated(query: str, base_ns: int) -> str:
    for minutes in (0, 5, 10, 15):
        at = datetime.fromtimestamp((base_ns + minutes * MINUTE_NS) / 1e9, UTC)
        query = query.replace(f"'T{minutes}'", f"'{at:%Y-%m-%dT%H:%M:%SZ}'")
    return query


def results(client: httpx.Client, path: str, queries: list[str]) -> list[dict]:
    """One for each query. What is refused ends a request: those after it are asked in another."""
    found: list[dict] = []
    while len(found) < len(queries):
        told = client.post(path, data={"q": ";\n".join(queries[len(found) :])}).json()["results"]
        refused = next((place for place, each in enumerate(told) if "error" in each), len(told) - 1)
        found += told[: refused + 1]
    return found


def in_order(result: dict) -> dict:
    """Rows of one time and one series may come in any order."""
    for series in result.get("series", ()):
        if series["columns"][0] == "time":
            rows = groupby(series["values"], key=lambda row: row[0])
            series["values"] = [row for _, same in rows for row in sorted(same, key=json.dumps)]
    return {name: value for name, value in result.items() if name != "statement_id"}


def is_same(one, other) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if type(one) in {int, float} and type(other) in {int, float}:
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other and type(one) is type(other)

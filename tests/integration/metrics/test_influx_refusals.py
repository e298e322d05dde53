"""Points that InfluxDB will not take are found, told with its reason, and cost the others nothing."""

import json
import urllib.parse
import urllib.request
from uuid import uuid4

import numpy as np
import pytest

from contract.metric_views import BASE, answered, whole_range
from factories.point_batches import SECOND, batch_of, point, question
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, FieldClass, PointBatch, SeriesKey, WriteOutcome
from strata_datamodel.tiers import Tier
from strata_stores.clock import SystemClock
from strata_stores.influx.metric_store import InfluxMetricStore

ACME, UMBRELLA = OrganizationId(uuid4()), OrganizationId(uuid4())
DAY = 86_400 * SECOND
HOUR = 3_600 * SECOND


@pytest.fixture
def open_store(influx_url, influx_database):
    stores = []

    def open_(**options) -> InfluxMetricStore:
        stores.append(InfluxMetricStore(influx_url, SystemClock(), database=influx_database, **options))
        stores[-1].prepare()
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


@pytest.fixture
def execute(influx_url, influx_database):
    def run(path: str, body: str = "", **parameters: str) -> bytes:
        address = f"{influx_url}{path}?" + urllib.parse.urlencode({"db": influx_database} | parameters)
        request = urllib.request.Request(address, data=body.encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    return run


def test_points_past_their_retention_are_refused_one_by_one_and_the_others_stay(open_store):
    store = open_store()
    now = SystemClock().now_ns()
    ages = [1, 30 * 86_400, 2, 20 * 86_400, 3, 25 * 86_400, 4]
    outcome = store.write(batch_of(ACME, *(point(now - age * SECOND, float(age), host=f"h{age}") for age in ages)))
    assert [rejection.index for rejection in outcome.rejected] == [1, 3, 5]
    assert all("retention" in rejection.reason for rejection in outcome.rejected)
    assert (outcome.written, store.count_points(ACME)) == (4, 4)


def test_a_field_someone_else_gave_another_type_is_refused_series_by_series(open_store, execute):
    store = open_store(kept_ns=None)
    execute("/write", 'cpu,host=x n_idle="text" 1763640000000000000', rp="raw")
    rows = [point(BASE + at, float(at), field=field) for at in range(300) for field in ("usage", "idle")]
    outcome = store.write(batch_of(ACME, *rows))
    assert [rejection.index for rejection in outcome.rejected] == list(range(1, 600, 2))
    assert all("type conflict" in rejection.reason for rejection in outcome.rejected)
    assert (outcome.written, store.count_points(ACME)) == (300, 300)


def test_several_reasons_in_one_batch_are_all_found(open_store, execute):
    store = open_store()
    now = SystemClock().now_ns()
    execute("/write", f'cpu,host=x n_idle="text" {now}', rp="raw")
    rows = [
        point(now, 1.0),
        point(now, 1.0, field="idle"),
        point(now - 30 * DAY, 1.0),
        point(now, float("nan")),
        point(now - 30 * DAY, 1.0, field="idle"),
        point(now, 2.0, host="b"),
    ]
    outcome = store.write(batch_of(ACME, *rows))
    assert [rejection.index for rejection in outcome.rejected] == [1, 2, 3, 4]
    assert (outcome.written, store.count_points(ACME)) == (2, 2)


def test_a_batch_of_many_requests_arrives_whole_and_in_order(open_store):
    store = open_store(kept_ns=None)
    rows = np.arange(60_000, dtype=np.int64)
    keys = tuple(SeriesKey("cpu", (("host", f"h{n}"),), "usage", FieldClass.NUMBER) for n in range(10))
    series_index = (rows % 10).astype(np.int32)
    times = (
        BASE + (rows % 25_000) // 10 * SECOND
    )  # 25,000 points, some of which come again, the last with their own value
    outcome = store.write(PointBatch(ACME, keys, series_index, times, rows.astype(np.float64)))
    assert outcome == WriteOutcome(60_000)
    assert store.count_points(ACME) == 25_000
    query = question(ACME, BASE, BASE + SECOND, Aggregate.SUM)
    assert answered(store, query) == {(): [(BASE // 10**6, float(sum(range(50_000, 50_010))))]}


def test_a_body_larger_than_the_store_takes_is_sent_in_parts(open_store):
    store = open_store(kept_ns=None)
    texts = [f"{n:05}" + "x" * 15_000 for n in range(2_000)]
    outcome = store.write(batch_of(ACME, *(point(BASE + n * SECOND, text) for n, text in enumerate(texts))))
    assert outcome == WriteOutcome(2_000)
    assert answered(store, whole_range(ACME, Aggregate.LAST)) == {(): [(BASE // 10**6, texts[-1])]}


def test_an_answer_of_many_chunks_is_whole(open_store):
    store = open_store(kept_ns=None)
    times = BASE + np.arange(25_000, dtype=np.int64) * SECOND
    keys = (SeriesKey("cpu", (), "usage", FieldClass.NUMBER),)
    store.write(PointBatch(ACME, keys, np.zeros(25_000, np.int32), times, np.arange(25_000, dtype=np.float64)))
    query = question(ACME, BASE, BASE + DAY, Aggregate.MAX, step_ns=SECOND)
    assert [value for _, value in answered(store, query)[()]] == list(map(float, range(25_000)))
    (rate,) = answered(store, question(ACME, BASE, BASE + DAY, Aggregate.RATE))[()]
    assert rate == (BASE // 10**6, pytest.approx(1.0))


def test_a_database_dropped_underneath_is_made_again(open_store, execute, influx_database):
    store = open_store(kept_ns=None)
    execute("/query", q=f'DROP DATABASE "{influx_database}"')
    assert not store.health().is_ready
    assert store.write(batch_of(ACME, point(BASE, 1.0))) == WriteOutcome(1)
    execute("/query", q=f'DROP RETENTION POLICY "raw" ON "{influx_database}"')
    assert store.write(batch_of(ACME, point(BASE, 1.0))) == WriteOutcome(1)
    assert store.health().is_ready


def test_each_tier_is_a_retention_policy_kept_for_as_long_as_it_was_last_told(open_store, execute):
    def policies():
        (answer,) = json.loads(execute("/query", q="SHOW RETENTION POLICIES"))["results"]
        return {row[0]: (row[1], row[2]) for row in answer["series"][0]["values"] if row[0] != "autogen"}

    store = open_store()
    made = {
        "raw": ("168h0m0s", "24h0m0s"),
        "1m": ("720h0m0s", "24h0m0s"),
        "5m": ("2160h0m0s", "168h0m0s"),
        "1h": ("8760h0m0s", "672h0m0s"),
    }
    assert policies() == made
    store.keep({Tier.RAW: 30 * 24 * HOUR, Tier.HOUR: 1})
    kept = made | {"raw": ("720h0m0s", "24h0m0s"), "1h": ("1h0m0s", "1h0m0s")}
    assert policies() == kept
    open_store()
    store.keep({Tier.RAW: 30 * 24 * HOUR})
    assert policies() == kept

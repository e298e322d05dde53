"""A store that answers 200 and means something else is not believed."""

from uuid import uuid4

import pytest

from contract.metric_views import BASE, whole_range
from factories.point_batches import batch_of, point
from fakes.lying_store import lying_store
from strata_datamodel.errors import DeadlineError, InvalidError, LimitError, StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, MetricAnswer
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.influx.metric_store import InfluxMetricStore

ACME = OrganizationId(uuid4())
GOOD = b'{"results":[{"statement_id":0}]}\n{"results":[{"statement_id":1}]}\n'


@pytest.fixture
def script():
    with lying_store() as script:
        script.headers["X-Influxdb-Version"] = "1.8.10"
        yield script


@pytest.fixture
def store(script):
    clock = SystemClock()
    store = InfluxMetricStore(
        script.url, clock, breaker=Breaker("metrics", clock, failures_to_open=1000), query_timeout_s=2
    )
    yield store
    store.close()


def test_an_honest_empty_answer_is_empty(script, store):
    script.answers["/query"] = (200, GOOD)
    assert store.query(whole_range(ACME, Aggregate.SUM)) == MetricAnswer()


_SERIES = b'"series":[{"name":"cpu","columns":["time","value"],"values":[[0,1]]%s}]'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"not json",
        b"<html>a proxy's error page</html>",
        GOOD[:20],
        GOOD[:34],
        b'{"results":[{"statement_id":0}]}',
        b'{"results":null}',
        b'{"results":[{"statement_id":0,"error":"shard is disabled"}]}',
        b'{"error":"something broke"}',
        b'{"results":[{"statement_id":0},{"statement_id":1,"error":"engine: read failed"}]}',
        b'{"results":[{"statement_id":0},{"statement_id":1,' + _SERIES % b"" + b',"partial":true}]}',
        b'{"results":[{"statement_id":0},{"statement_id":1,' + _SERIES % b',"partial":true' + b"}]}",
    ],
)
def test_a_good_status_around_half_an_answer_is_no_answer(script, store, body):
    script.answers["/query"] = (200, body)
    with pytest.raises(StoreUnavailableError):
        store.query(whole_range(ACME, Aggregate.SUM))


def test_json_that_is_whole_in_a_stream_that_is_not_is_no_answer(script, store):
    script.answers["/query"] = (200, GOOD)
    script.is_cut = True
    with pytest.raises(StoreUnavailableError):
        store.query(whole_range(ACME, Aggregate.SUM))


@pytest.mark.parametrize(
    ("text", "error", "code"),
    [
        ("query-timeout limit exceeded", DeadlineError, "deadline_exceeded"),
        ("max-select-series limit exceeded: (5/1)", LimitError, "query_series"),
        ("max-select-point limit exceeed: (5/1)", LimitError, "query_points"),
        ("error parsing regexp: missing closing ]", InvalidError, "bad_regex"),
    ],
)
def test_what_the_store_refuses_is_told_by_its_own_name(script, store, text, error, code):
    script.answers["/query"] = (200, b'{"results":[{"statement_id":0,"error":"%b"}]}' % text.encode())
    with pytest.raises(error) as refused:
        store.query(whole_range(ACME, Aggregate.SUM))
    assert refused.value.code == code


@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503, 302])
def test_no_other_status_of_a_write_says_anything_about_its_points(script, store, status):
    script.answers["/write"] = (status, b'{"error":"no"}')
    script.headers["Retry-After"] = "17"
    with pytest.raises(StoreUnavailableError) as refused:
        store.write(batch_of(ACME, point(BASE, 1.0)))
    assert refused.value.retry_after_s == 17


def test_a_redirect_is_not_followed_with_the_credentials(script):
    clock = SystemClock()
    script.answers["/query"] = (307, b"")
    script.headers["Location"] = f"{script.url}/elsewhere"
    store = InfluxMetricStore(script.url.replace("//", "//reader:se%20cret@"), clock)
    with pytest.raises(StoreUnavailableError) as refused:
        store.query(whole_range(ACME, Aggregate.SUM))
    assert all(path.startswith("/query") for _, path, _ in script.asked)
    assert "se cret" not in str(refused.value)
    store.close()


def test_secrets_are_in_headers_and_nowhere_else(script):
    store = InfluxMetricStore(script.url, SystemClock(), token="a-token")
    script.answers["/query"] = (200, GOOD)
    store.query(whole_range(ACME, Aggregate.SUM))
    assert not any("a-token" in path or b"a-token" in body for _, path, body in script.asked)
    store.close()

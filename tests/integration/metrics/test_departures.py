"""A client that leaves stops its question, and nobody else's."""

import contextvars
import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import httpx
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from contract.metric_views import BASE, answered
from factories.point_batches import SECOND, question
from fakes.waiting_store import WaitingMetricStore
from fixtures.api import serving
from strata_api.app import create_app
from strata_core.departures import Departure, work_for
from strata_datamodel.errors import CallerLeftError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, FieldClass, PointBatch, SeriesKey
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_stores.influx.metric_store import InfluxMetricStore
from waiting import eventually

ACME = OrganizationId(uuid4())
PATH = "/api/v1/orgs/acme/metrics/query"
BODY = json.dumps({"measurement": "cpu", "field": "usage", "aggregate": "avg", "from": "now-1h"}).encode()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def asked_for(departure, pool, work):
    """By a thread that works for them, as the API's do."""
    context = contextvars.copy_context()
    context.run(work_for, departure)
    return pool.submit(context.run, work)


def slow_question(organization_id=ACME):
    return question(organization_id, 0, 2**62, Aggregate.PERCENTILE, step_ns=SECOND, percentile=50, group_by=("host",))


def test_duckdb_stops_in_the_midst_and_goes_on_for_others(tmp_path, pool):
    store = DuckDbMetricStore(tmp_path / "metrics", SystemClock(), threads=1)
    keys = tuple(SeriesKey("cpu", (("host", f"h{n}"),), "usage", FieldClass.NUMBER) for n in range(100))
    rows = np.arange(1_000_000, dtype=np.int64)
    store.write(
        PointBatch(ACME, keys, (rows % 100).astype(np.int32), BASE + rows // 100 * SECOND, rows.astype(np.float64))
    )
    departure = Departure()
    begun = asked_for(departure, pool, lambda: store.query(slow_question()))
    departure.leave()
    with pytest.raises(CallerLeftError):
        begun.result(10)
    late = asked_for(departure, pool, lambda: store.query(slow_question()))  # who has left is not asked for at all
    with pytest.raises(CallerLeftError):
        late.result(10)
    assert answered(store, question(ACME, BASE, BASE + SECOND, Aggregate.COUNT)) == {(): [(BASE // 10**6, 100)]}
    store.close()


def test_influxdb_is_hung_up_on_and_not_thought_to_be_down(pool):
    closed = threading.Event()
    heard = threading.Event()

    def never_answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            heard.set()
            while connection.recv(65_536):
                pass
        closed.set()

    clock = SystemClock()
    breaker = Breaker("metrics", clock, failures_to_open=1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        store = InfluxMetricStore(f"http://127.0.0.1:{server.getsockname()[1]}", clock, breaker=breaker)
        listener = threading.Thread(target=never_answer, args=(server,))
        listener.start()
        departure = Departure()
        begun = asked_for(departure, pool, lambda: store.query(slow_question()))
        assert heard.wait(10)
        departure.leave()
        with pytest.raises(CallerLeftError):
            begun.result(10)
        assert closed.wait(10)
        listener.join(10)
        store.close()
    assert breaker.failures_total == 0


def test_a_client_that_leaves_stops_its_question_and_who_waited_for_it_gets_an_answer(api, pool):
    deps = api.app.state.deps
    store = WaitingMetricStore(deps.metric_store)
    app = create_app(replace(deps, metric_store=store, registry=CollectorRegistry()))
    with serving(app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        sent = {"content-type": "application/json"}
        leaving = http.client.HTTPConnection(host, int(port), timeout=30)
        leaving.request("POST", PATH, BODY, {**api.acme.admin, **sent})
        eventually(lambda: store.asked == 1, 10)
        staying = pool.submit(httpx.post, url + PATH, content=BODY, headers={**api.acme.admin, **sent}, timeout=30)
        other = httpx.post(url + PATH.replace("acme", "globex"), content=BODY, headers={**api.globex.admin, **sent})
        assert (other.status_code, store.stopped) == (200, 0)
        leaving.close()
        eventually(lambda: store.stopped == 1, 10)
        assert (staying.result(20).status_code, store.stopped) == (200, 1)

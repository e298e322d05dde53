"""Who sends, while the database that knows is there and while it is not."""

from pathlib import Path

import pytest

from faults.kinds import Refuse
from strata_stores.postgres.roles import APP
from waiting import eventually


@pytest.fixture
def behind_proxy(make_ingest, database, fault_proxy):
    server = database.server
    proxy = fault_proxy(Path(server.socket_dir) / f".s.PGSQL.{server.port}")
    url = f"postgresql://{APP}@{proxy.host}:{proxy.port}/{database.name}?sslmode=disable"
    return make_ingest(callers_url=url), proxy


def test_known_keys_go_on_while_the_database_is_down_and_unknown_ones_are_asked_to_come_back(behind_proxy):
    ingest, proxy = behind_proxy
    assert ingest.write("m,host=a v=1").status_code == 204
    proxy.set(Refuse())
    for _ in range(3):
        assert ingest.write("m,host=b v=1").status_code == 204
    unknown = ingest.write("m,host=x v=1", ingest.globex)
    assert (unknown.status_code, unknown.json()["code"]) == (503, "unavailable")
    assert int(unknown.headers["retry-after"]) > 0
    assert ingest.bulk('{"index":{}}\n{}\n', ingest.globex).status_code == 503
    junk = ingest.client.post("/api/v2/write", content="m v=1", headers={"authorization": "Token junk"})
    assert junk.status_code == 401
    assert ingest.points("m") == {"a": 1, "b": 1}
    proxy.heal()


def test_ready_says_which_store_is_down(ingest):
    assert ingest.client.get("/healthz").status_code == 200
    ready = ingest.client.get("/readyz")
    assert ready.status_code == 200
    assert {store["store"] for store in ready.json()["stores"]} == {"postgres", "writer_metrics"}
    ingest.health[0] = type(ingest.health[0])("postgres", is_ready=False, detail="does not answer")
    eventually(lambda: ingest.client.get("/readyz").status_code == 503, 10)
    ready = ingest.client.get("/readyz")
    assert ready.headers["retry-after"] == "5"
    assert [store["detail"] for store in ready.json()["stores"] if not store["is_ready"]] == ["does not answer"]


def test_the_service_counts_what_it_does(ingest):
    ingest.write("m v=1,w=2\nbad\n")
    ingest.client.post("/write", content="m v=1")
    ingest.machine.drain()
    text = ingest.client.get("/metrics").text
    for line in (
        'strata_ingest_requests_total{protocol="influx_v2",status="400"} 1.0',
        'strata_ingest_requests_total{protocol="influx_v1",status="401"} 1.0',
        'strata_ingest_accepted_total{signal="metrics"} 1.0',
        'strata_ingest_points_total{signal="metrics"} 2.0',
        'strata_ingest_rejected_total{reason="malformed",signal="metrics"} 1.0',
        'strata_spool_records{signal="metrics"} 0.0',
        'strata_writer_written_total{signal="metrics"} 2.0',
    ):
        assert line in text

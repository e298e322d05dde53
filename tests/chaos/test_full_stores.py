"""Disks that are full, under the stores: clients are put off in time, nothing that was taken is lost, and all of it is
in the stores once there is room, with nobody's help."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client import CollectorRegistry

from chaos.full_disks import MOST, Send, files_that_may_not_grow, until_put_off
from faults.proxy import FaultProxy
from fixtures.ingest import QUICK, IngestWorld, Sender
from fixtures.own_influxd import Influxd
from strata_datamodel.logs import LogSearch, MatchAll, SortOrder
from strata_datamodel.spooling import Signal
from strata_ingest.instruments import WriterInstruments
from strata_ingest.writers import log_writer, metric_writer
from strata_stores.breaker import Breaker
from strata_stores.elastic.log_store import ElasticLogStore
from strata_stores.influx.metric_store import InfluxMetricStore
from waiting import eventually

SPOOL_BYTES = 200_000
PADDING = "x" * 8_000


def small_spools(make_ingest) -> IngestWorld:
    return make_ingest(is_writing=False, max_bytes=SPOOL_BYTES, segment_bytes=50_000, min_free_bytes=0)


def drain(ingest: IngestWorld, signal: Signal) -> None:
    """Longer than other tests wait: a store that turned things away is come back to after pauses."""
    eventually(lambda: ingest.machine.spools[signal].depth().records == 0, 60, what="an empty spool")


def check_bounded(ingest: IngestWorld, signal: Signal, accepted: int) -> None:
    """All that was accepted is there, durable, and no more than there may be."""
    depth = ingest.machine.spools[signal].depth()
    assert depth.records == accepted
    assert 0 < depth.size_bytes <= SPOOL_BYTES


def event(ingest: IngestWorld, sender: Sender) -> Send:
    def send(number: int) -> httpx.Response:
        now = ingest.machine.clock.now().isoformat()
        document = {"@timestamp": now, "message": f"event {number}", "padding": PADDING}
        return ingest.bulk(f'{{"index":{{}}}}\n{json.dumps(document)}\n', sender)

    return send


@pytest.fixture
def elastic(make_ingest, elastic_url, elastic_prefix) -> Iterator[tuple[IngestWorld, ElasticLogStore, Breaker]]:
    ingest = small_spools(make_ingest)
    machine = ingest.machine
    breaker = Breaker("logs", machine.clock, open_s=0.05, max_open_s=0.2)
    store = ElasticLogStore(elastic_url, machine.clock, prefix=elastic_prefix, breaker=breaker)
    store.prepare()
    instruments = WriterInstruments(CollectorRegistry())
    machine.writers[Signal.LOGS] = log_writer(
        machine.spools[Signal.LOGS], store, machine.system_units, machine.clock, instruments, QUICK, machine.shared
    )
    yield ingest, store, breaker
    machine.close()
    store.close()


@contextmanager
def above_flood_stage(url: str, prefix: str) -> Iterator[None]:
    """What Elasticsearch does to the indices on a disk above that watermark."""

    def block(value: str | None) -> None:
        settings = {"index.blocks.read_only_allow_delete": value}
        httpx.put(f"{url}/{prefix}*/_settings", json=settings, trust_env=False).raise_for_status()

    block("true")
    try:
        yield
    finally:
        block(None)


def test_fault_18_above_elasticsearchs_flood_stage_clients_are_put_off_and_all_is_stored_afterwards(
    elastic, elastic_url, elastic_prefix
):
    ingest, store, breaker = elastic
    sends = [event(ingest, sender) for sender in (ingest.acme, ingest.globex)]
    assert all(send(0).json()["errors"] is False for send in sends)
    ingest.machine.start_writers()
    drain(ingest, Signal.LOGS)
    with above_flood_stage(elastic_url, elastic_prefix):
        accepted = [until_put_off(send, 1) for send in sends]
        assert all(accepted), "one organization left no room for the other"
        eventually(lambda: breaker.failures_total > 1, what="refused writes")
        check_bounded(ingest, Signal.LOGS, sum(map(len, accepted)))
        assert ingest.write("m,host=a v=1").status_code == 204  # the other store's way is open
        drain(ingest, Signal.METRICS)
        assert ingest.machine.metric_store.count_points(ingest.acme.organization_id) == 1
    drain(ingest, Signal.LOGS)
    store.refresh()
    for sender, numbers, send in zip((ingest.acme, ingest.globex), accepted, sends, strict=True):
        search = LogSearch(sender.organization_id, MatchAll(), 0, (1 << 63) - 1, limit=1_000, order=SortOrder.ASC)
        found = Counter(each.message for each in store.search(search).items)
        assert found == dict.fromkeys((f"event {number}" for number in (0, *numbers)), 1)
        assert send(MOST + 1).json()["errors"] is False
    assert ingest.database.rows("SELECT FROM dead_letters") == []


StarvedInflux = tuple[IngestWorld, Influxd, FaultProxy, Breaker]


@pytest.fixture
def influx(make_ingest, influx_url, fault_proxy, tmp_path: Path) -> Iterator[StarvedInflux]:
    """`influx_url` says whether this run is to have any InfluxDB."""
    (tmp_path / "influx").mkdir()
    ingest, influxd = small_spools(make_ingest), Influxd(tmp_path / "influx")
    influxd.start().close()
    proxy = fault_proxy(influxd.url)
    machine = ingest.machine
    breaker = Breaker("metrics", machine.clock, open_s=0.05, max_open_s=0.2)
    machine.metric_store = InfluxMetricStore(proxy.url, machine.clock, kept_ns=None, breaker=breaker)
    machine.writers[Signal.METRICS] = metric_writer(
        machine.spools[Signal.METRICS],
        machine.metric_store,
        machine.system_units,
        machine.clock,
        WriterInstruments(CollectorRegistry()),
        QUICK,
        machine.shared,
    )
    yield ingest, influxd, proxy, breaker
    machine.close()
    machine.metric_store.close()
    influxd.kill()


def point(ingest: IngestWorld, sender: Sender) -> Send:
    at_ns = ingest.machine.clock.now_ns()
    return lambda number: ingest.write(f'm,host=a v={number},text="{PADDING}" {at_ns + number}', sender)


def test_fault_18_with_influxdbs_disk_full_clients_are_put_off_and_all_is_stored_afterwards(influx):
    ingest, influxd, proxy, breaker = influx
    senders = (ingest.acme, ingest.globex)
    sends = [point(ingest, sender) for sender in senders]
    assert [send(0).status_code for send in sends] == [204, 204]
    ingest.machine.start_writers()
    drain(ingest, Signal.METRICS)
    with files_that_may_not_grow(influxd.launch.process.pid):
        accepted = [until_put_off(send, 1) for send in sends]
        assert all(accepted), "one organization left no room for the other"
        eventually(lambda: breaker.failures_total > 1, what="refused writes")
        check_bounded(ingest, Signal.METRICS, sum(map(len, accepted)))
    # InfluxDB 1.8.10 that once could not write its log refuses all writes until it is started again.
    influxd.kill()
    influxd.start().close()
    proxy.lead_to(("127.0.0.1", urlsplit(influxd.url).port or 0))
    drain(ingest, Signal.METRICS)
    for sender, numbers, send in zip(senders, accepted, sends, strict=True):
        assert ingest.machine.metric_store.count_points(sender.organization_id) == 2 * (1 + len(numbers))
        assert send(MOST + 1).status_code == 204
    assert ingest.database.rows("SELECT FROM dead_letters") == []

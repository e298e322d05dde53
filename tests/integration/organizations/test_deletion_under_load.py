"""An organization is deleted while it ingests at full rate, from a spool that is five minutes old already."""

import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from fixtures.api import serving
from fixtures.holdings import SIGNER, HoldingsWorld, MakeHoldings
from scenario.saga_kills import drive_to_end
from strata_core.organizations.deletion import DELETION
from strata_core.organizations.deletion_requests import request_deletion
from strata_core.receipts.documents import document_of, is_genuine
from strata_core.receipts.queries import deletion_receipts
from strata_datamodel.ids import OrganizationId
from strata_datamodel.spooling import Signal
from strata_ingest.app import create_app
from strata_ingest.deps import IngestDeps
from strata_ingest.hand_over import Shared
from strata_ingest.instruments import WriterInstruments
from strata_ingest.tombstones import Tombstones
from strata_ingest.writer import Backoff, SpoolWriter
from strata_ingest.writers import log_writer, metric_writer
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_stores.elastic.log_store import ElasticLogStore
from strata_stores.influx.metric_store import InfluxMetricStore
from strata_stores.null.rate_limiter import NullRateLimiter
from strata_stores.spool.file_spool import FileSpool
from strata_stores.tantivy.log_store import TantivyLogStore
from strata_workers.sweeper import Sweeper
from waiting import eventually

QUICK = Backoff(first_s=0.01, longest_s=0.05)
LINES = 50


@dataclass
class Ingest:
    """What one ingest process would hold, on a directory of spools."""

    held: HoldingsWorld
    folder: Path
    stack: ExitStack
    spools: dict[Signal, FileSpool] = field(default_factory=dict)
    writers: list[SpoolWriter[Any]] = field(default_factory=list)
    url: str = ""

    def open(self) -> None:
        clock, units, tools = self.held.world.clock, self.held.units, self.held.tools
        registry, shared = CollectorRegistry(), Shared()
        tombstones = Tombstones(units, pause_s=0.05)
        tombstones.start()
        for signal in Signal:
            self.spools[signal] = FileSpool(self.folder / signal, clock)
            self.stack.callback(self.spools[signal].close)
        common = (units, clock, WriterInstruments(registry), QUICK, shared, tombstones)
        self.writers = [
            metric_writer(self.spools[Signal.METRICS], tools.metric_store, *common),
            log_writer(self.spools[Signal.LOGS], tools.log_store, *common),
        ]
        self.stack.callback(tombstones.stop)
        limiter = NullRateLimiter()
        deps = IngestDeps(
            self.held.app_units, self.spools, clock, registry, limiter, {}, shared=shared, closed=tombstones
        )
        self.url = self.stack.enter_context(serving(create_app(deps)))

    def start_writers(self) -> None:
        for writer in self.writers:
            writer.start()
            self.stack.callback(writer.stop)

    def drain(self) -> None:
        eventually(lambda: all(spool.depth().records == 0 for spool in self.spools.values()), what="empty spools")


@dataclass
class Sender:
    """Sends as fast as it is answered, until it is told to stop or is refused."""

    held: HoldingsWorld
    slug: str
    url: str
    accepted: Counter[str] = field(default_factory=Counter)
    last_status: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    number: int = 0

    def run(self) -> None:
        headers = {"authorization": f"Token {self.held.made[self.slug].ingest_key}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=30) as client:
            while not self.stopping.is_set() and self.last_status in {0, 200, 204}:
                self.send(client)

    def send(self, client: httpx.Client) -> None:
        now_ns = self.held.world.clock.now_ns()
        places = range(self.number, self.number + LINES)
        self.number += LINES
        lines = "\n".join(f"cpu,host=h{at % 5} v={at} {now_ns + at}" for at in places)
        answer = client.post("/api/v2/write", content=lines)
        self.note(answer.status_code, "metrics", LINES)
        if self.last_status != 204:
            return
        body = "".join(f'{{"create":{{"_index":"x"}}}}\n{{"message":"line {at}","host":"h"}}\n' for at in places)
        answer = client.post("/_bulk", content=body, headers={"content-type": "application/x-ndjson"})
        self.note(answer.status_code, "logs", LINES)

    def note(self, status: int, signal: str, count: int) -> None:
        self.last_status = status
        if status in {200, 204}:
            self.accepted[signal] += count


@dataclass
class Witness:
    """A signer that looks for itself what is there when it is asked to sign."""

    held: HoldingsWorld
    organization_id: OrganizationId
    seen: Mapping[str, int] | None = None

    @property
    def public_key(self) -> str:
        return SIGNER.public_key

    def sign(self, content: bytes) -> bytes:
        self.seen = self.held.holdings(self.organization_id)
        return SIGNER.sign(content)

    def is_signed(self, public_key: str, content: bytes, signature: bytes) -> bool:
        return SIGNER.is_signed(public_key, content, signature)


@contextmanager
def sending(held: HoldingsWorld, url: str) -> Iterator[dict[str, Sender]]:
    senders = {slug: Sender(held, slug, url) for slug in ("acme", "globex")}
    threads = [threading.Thread(target=sender.run) for sender in senders.values()]
    for thread in threads:
        thread.start()
    try:
        yield senders
    finally:
        for sender in senders.values():
            sender.stopping.set()
        for thread in threads:
            thread.join(30)


@pytest.fixture(params=["embedded", "influx and elastic"])
def held(request, make_holdings: MakeHoldings, tmp_path: Path, shifted_clock) -> Iterator[HoldingsWorld]:
    if request.param == "embedded":
        metric_store: Any = DuckDbMetricStore(tmp_path / "metrics", clock=shifted_clock)
        log_store: Any = TantivyLogStore(tmp_path / "logs", clock=shifted_clock)
    else:
        metric_store = InfluxMetricStore(
            request.getfixturevalue("influx_url"),
            shifted_clock,
            database=request.getfixturevalue("influx_database"),
            kept_ns=None,
        )
        log_store = ElasticLogStore(
            request.getfixturevalue("elastic_url"), shifted_clock, prefix=request.getfixturevalue("elastic_prefix")
        )
    yield make_holdings(metric_store, log_store)
    metric_store.close()
    log_store.close()


@pytest.fixture
def open_ingest(held: HoldingsWorld) -> Iterator[Callable[[Path], Ingest]]:
    with ExitStack() as stack:

        def make(folder: Path) -> Ingest:
            ingest = Ingest(held, folder, stack)
            ingest.open()
            return ingest

        yield make


def test_fault_29_deleted_under_load_nothing_is_left_and_a_replayed_spool_stays_out(held, open_ingest, tmp_path):
    acme, globex = held.organization("acme"), held.organization("globex")
    theirs = held.holdings(globex)
    ingest = open_ingest(tmp_path / "spool")
    with sending(held, ingest.url) as senders:
        eventually(lambda: min(s.accepted["logs"] for s in senders.values()) >= 4 * LINES, what="a spool that fills")
        held.world.clock.advance(timedelta(minutes=5))
        shutil.copytree(tmp_path / "spool", tmp_path / "old spool")
        ingest.start_writers()
        eventually(lambda: held.tools.metric_store.count_points(acme) > LINES, what="points of acme in their store")
        ctx = held.context("acme")
        with held.app_units.organization(acme) as uow:
            saga_id = request_deletion(ctx, uow, confirm="acme", grace=timedelta(0))
        witness = Witness(held, acme)
        tools = replace(held.tools, signer=witness)
        assert drive_to_end(held.world, DELETION, tools, saga_id) == "done"
        eventually(lambda: senders["acme"].last_status == 401, what="acme's key being refused")
        assert senders["globex"].last_status in {200, 204}
    ingest.drain()
    swept = Sweeper(held.units, held.tools, CollectorRegistry())
    swept.step()
    eventually(lambda: held.holdings(acme) == {}, what="nothing left of acme")

    counts, sent = held.holdings(globex), senders["globex"].accepted
    assert counts["metrics"] - theirs["metrics"] == sent["metrics"]
    assert counts["logs"] - theirs["logs"] == sent["logs"]
    with held.units.system() as uow:
        (kept,) = deletion_receipts(uow, "acme", 10)
    document = document_of(kept.receipt)
    assert is_genuine(kept.receipt, SIGNER)
    assert document["before"]["metrics"] > LINES
    assert document["after"] == {"logs": 0, "metrics": 0, "search": 0, "archive": 0, "cache": 0, "rows": {}}
    assert witness.seen == {}, "the receipt said that nothing was left while something was"

    replaying = open_ingest(tmp_path / "old spool")
    replaying.start_writers()
    replaying.drain()
    assert held.holdings(acme) == {}
    again = held.holdings(globex)
    assert (again["metrics"], again["logs"]) == (counts["metrics"], counts["logs"])

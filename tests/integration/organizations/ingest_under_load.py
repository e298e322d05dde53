"""Ingest at full rate, for stories about organizations that are changed meanwhile."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import CollectorRegistry

from fixtures.api import serving
from fixtures.holdings import HoldingsWorld
from strata_datamodel.spooling import Signal
from strata_ingest.app import create_app
from strata_ingest.deps import IngestDeps
from strata_ingest.hand_over import Shared
from strata_ingest.instruments import WriterInstruments
from strata_ingest.tombstones import Tombstones
from strata_ingest.writer import Backoff, SpoolWriter
from strata_ingest.writers import log_writer, metric_writer
from strata_stores.null.rate_limiter import NullRateLimiter
from strata_stores.spool.file_spool import FileSpool
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

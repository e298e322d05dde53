"""One measured run: warm up, send, wait until all of it is in the store, and only then look at the clocks."""

import time
from dataclasses import dataclass
from typing import Final

from bench.cores import Cores
from bench.failure import BenchError
from bench.load import Load, Sent
from bench.server import Server

DRAIN_S: Final = 300.0
_IDLE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to do. Bodies are counted a connection."""

    cores: Cores
    repeats: int
    scale: float
    """1 for a full run; smaller runs send fewer bodies."""

    def bodies(self, full: int) -> int:
        return max(2, round(full * self.scale))


@dataclass(frozen=True, slots=True)
class Ingested:
    """What it took to have `items` in the store. `accept_*` is what it had taken when the last body was acknowledged:
    a writer that works meanwhile is in it."""

    items: int
    sent: Sent
    wall_s: float
    own_cpu_s: float
    children_cpu_s: float
    accept_own_cpu_s: float
    idle_cpu_share: float
    resident_bytes: int


def ingested(
    server: Server, load: Load, kind: str, *, warm_bodies: int, bodies: int, connections: int, items_per_body: int
) -> Ingested:
    """`warm_bodies` are sent first and not counted: imports, caches, new series and hosts are behind them."""
    warm = warm_bodies * connections * items_per_body
    load.send(0, warm_bodies)
    server.wait_until_written(kind, warm, DRAIN_S)
    idle_cpu_share = _idle_cpu_share(server)
    before, started_s = server.cpu(), time.monotonic()
    sent = load.send(warm_bodies, bodies)
    accepted = server.cpu().since(before)
    if sent.requests != bodies * connections:
        raise BenchError(f"{sent.requests} requests were answered, of {bodies * connections}")
    items = sent.requests * items_per_body
    server.wait_until_written(kind, warm + items, DRAIN_S)
    spent = server.cpu().since(before)
    return Ingested(
        items=items,
        sent=sent,
        wall_s=time.monotonic() - started_s,
        own_cpu_s=spent.own_s,
        children_cpu_s=spent.children_s,
        accept_own_cpu_s=accepted.own_s,
        idle_cpu_share=idle_cpu_share,
        resident_bytes=server.resident_bytes(),
    )


def _idle_cpu_share(server: Server) -> float:
    """What the server and its children take when nothing is sent. Part of every run, and not subtracted."""
    before = server.cpu()
    time.sleep(_IDLE_S)
    spent = server.cpu().since(before)
    return (spent.own_s + spent.children_s) / _IDLE_S

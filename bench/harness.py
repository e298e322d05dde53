"""One measured run: warm up, send, wait until all of it is in the store, and only then look at the clocks."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.cores import Cores
from bench.failure import BenchError
from bench.load import Load, Sent
from bench.server import Server

DRAIN_S: Final = 300.0
_LOOK_S: Final = 1.0
_REST_S: Final = 60.0
_REST_SHARE: Final = 0.1


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
    a writer that works meanwhile is in it. `settling_cpu_s`, of the server and its children, is what went on after the
    warm-up's items were in their store: new hosts are told to whoever waits for them. `idle_cpu_share` comes after."""

    items: int
    sent: Sent
    wall_s: float
    own_cpu_s: float
    children_cpu_s: float
    accept_own_cpu_s: float
    settling_cpu_s: float
    idle_cpu_share: float
    resident_bytes: int


def ingested(
    server: Server,
    load: Load,
    kind: str,
    *,
    warm_bodies: int,
    bodies: int,
    connections: int,
    items_per_body: int,
    once_warm: Callable[[], object] = lambda: None,
) -> Ingested:
    """`warm_bodies` are sent first and not counted: imports, caches, new series and hosts are behind them."""
    warm = warm_bodies * connections * items_per_body
    load.send(0, warm_bodies)
    server.wait_until_written(kind, warm, DRAIN_S)
    settling_cpu_s, idle_cpu_share = at_rest(server)
    once_warm()
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
        settling_cpu_s=settling_cpu_s,
        idle_cpu_share=idle_cpu_share,
        resident_bytes=server.resident_bytes(),
    )


def at_rest(server: Server) -> tuple[float, float]:
    """CPU seconds until the server did next to nothing, and what share of a core it took then. That share is part of
    every run, and not subtracted."""
    began = before = server.cpu()
    for _ in range(round(_REST_S / _LOOK_S)):
        time.sleep(_LOOK_S)
        now = server.cpu()
        share = now.since(before).all_s / _LOOK_S
        if share < _REST_SHARE:
            return before.since(began).all_s, share
        before = now
    raise BenchError(f"the server did not come to rest within {_REST_S:g} s of its warm-up")

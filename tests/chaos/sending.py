"""Telemetry in numbered batches, each sent once; and what of it is in the stores."""

import json
import threading
import time
from collections import Counter

import httpx

from chaos.ledger import Ledger
from scenario.processes import Tenant

POINTS = 20
LINES = 5
BATCHES_A_PAGE = 1_000
NS = 1_000_000_000


class Sender:
    """Sends until it is told to stop. What was neither acknowledged nor refused may or may not be in."""

    def __init__(self, tenant: Tenant, ledger: Ledger, *, pause_s: float = 0.01) -> None:
        self.tenant = tenant
        self.ledger = ledger
        # A second for each batch, of one series: an hour's batches are neither series nor an answer too many.
        self.base_ns = time.time_ns() // NS * NS - 12 * 3_600 * NS
        self.sent = 0
        self.turn = threading.Lock()
        self._pause_s = pause_s
        self._client = httpx.Client(
            base_url=tenant.ingest.base_url, headers=tenant.ingest.headers, timeout=15, trust_env=False
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sender-{tenant.slug}", daemon=True)

    def start(self) -> "Sender":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._client.close()

    def acknowledged(self, signal: str) -> set[int]:
        told = self.ledger.entries("acknowledged", organization=self.tenant.slug, signal=signal)
        return {entry["batch"] for entry in told}

    @property
    def least_acknowledged(self) -> int:
        return min(len(self.acknowledged("metrics")), len(self.acknowledged("logs")))

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self.turn:
                self.sent += 1
                self._send(self.sent)
            self._stopping.wait(self._pause_s)

    def _send(self, number: int) -> None:
        lines = [f"chaos value=1 {self.base_ns + number * NS + n}" for n in range(POINTS)]
        if self._post("/api/v2/write", "\n".join(lines)) == 204:
            self._note("metrics", number)
        body = "".join(
            f'{{"index":{{}}}}\n{json.dumps({"message": line, "stream": "chaos"})}\n' for line in self.lines(number)
        )
        if self._post("/_bulk", body) == 200:
            self._note("logs", number)

    def lines(self, number: int) -> list[str]:
        return [f"chaos {self.tenant.slug} {number} {n}" for n in range(LINES)]

    def _note(self, signal: str, number: int) -> None:
        self.ledger.note("acknowledged", organization=self.tenant.slug, signal=signal, batch=number)

    def _post(self, path: str, body: str) -> int | None:
        try:
            return self._client.post(path, content=body).status_code
        except httpx.TransportError:
            return None


def stored_points(tenant: Tenant, sender: Sender) -> Counter[int]:
    """Points by batch."""
    counted: Counter[int] = Counter()
    base_s = sender.base_ns // NS
    for first in range(0, sender.sent + 1, BATCHES_A_PAGE):
        question = {
            "measurement": "chaos", "field": "value", "aggregate": "count", "step": "1s",
            "from": (base_s + first) * 1_000, "to": (base_s + first + BATCHES_A_PAGE) * 1_000,
        }  # fmt: skip
        for series in tenant.query(**question)["series"]:
            for at_ms, value in series["points"]:
                counted[at_ms // 1_000 - base_s] += int(value or 0)
    return +counted


def stored_lines(tenant: Tenant) -> Counter[str]:
    """Messages and how often each is there."""
    found: Counter[str] = Counter()
    cursor = None
    while True:
        question = {"query": "chaos", "from": "now-6h", "to": "now+1h", "limit": 1000, "order": "asc"}
        page = tenant.search(**question, **({"cursor": cursor} if cursor else {}))
        found.update(item["message"] for item in page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return found

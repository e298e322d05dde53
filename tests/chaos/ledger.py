"""What was acknowledged, kept outside the system under test; and a sender that fills it."""

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from scenario.processes import Tenant

POINTS = 20
LINES = 5
NS = 1_000_000_000


@dataclass
class Ledger:
    """Batch numbers by what the client was told. What was neither acknowledged nor refused may or may not be in."""

    acknowledged_metrics: set[int] = field(default_factory=set)
    acknowledged_logs: set[int] = field(default_factory=set)
    unknown: int = 0


class Sender:
    """Sends numbered batches, each once, until it is told to stop."""

    def __init__(self, tenant: Tenant) -> None:
        self.ledger = Ledger()
        self.began_ns = time.time_ns() // NS * NS - 60 * NS
        self._client = httpx.Client(
            base_url=tenant.ingest.base_url, headers=tenant.ingest.headers, timeout=15, trust_env=False
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> Ledger:
        self._stopping.set()
        self._thread.join(30)
        self._client.close()
        return self.ledger

    def _run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            self._send(number)
            self._stopping.wait(0.01)

    def _send(self, number: int) -> None:
        lines = [f"chaos,batch=b{number} value=1 {self.began_ns + number * 1_000 + n}" for n in range(POINTS)]
        if self._post("/api/v2/write", "\n".join(lines)) == 204:
            self.ledger.acknowledged_metrics.add(number)
        documents = [{"message": f"chaos {number} {n}", "stream": "chaos"} for n in range(LINES)]
        body = "".join(f'{{"index":{{}}}}\n{json.dumps(document)}\n' for document in documents)
        if self._post("/_bulk", body) == 200:
            self.ledger.acknowledged_logs.add(number)

    def _post(self, path: str, body: str) -> int | None:
        try:
            return self._client.post(path, content=body).status_code
        except httpx.TransportError:
            self.ledger.unknown += 1
            return None


def stored_points(tenant: Tenant, sender: Sender) -> Counter[int]:
    """Points by batch."""
    question = {
        "measurement": "chaos", "field": "value", "aggregate": "count", "group_by": ["batch"],
        "from": sender.began_ns // 1_000_000 - 1_000, "to": sender.began_ns // 1_000_000 + 60_000,
    }  # fmt: skip
    counted: Counter[int] = Counter()
    for series in tenant.query(**question)["series"]:
        counted[int(series["tags"]["batch"].removeprefix("b"))] = sum(int(value) for _, value in series["points"])
    return counted


def stored_lines(tenant: Tenant) -> Counter[str]:
    """Messages and how often each is there."""
    found: Counter[str] = Counter()
    cursor = None
    while True:
        question = {"query": "chaos", "from": "now-1h", "to": "now+1h", "limit": 1000, "order": "asc"}
        page = tenant.search(**question, **({"cursor": cursor} if cursor else {}))
        found.update(item["message"] for item in page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return found

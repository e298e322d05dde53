"""A platform under harm, and everything outside that remembers what it was told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from chaos.ledger import Ledger
from chaos.sending import Sender
from fakes.pager import WebhookReceiver
from scenario.processes import PASSWORD, Process, Tenant

HOT = 97.0
API_TIMEOUT_S = 25.0
"""Longer than the API allows itself: what takes this long hangs."""


@dataclass
class World:
    """`acme` alerts, and both send. Checkers read this and nothing else."""

    processes: list[Process]
    environment: dict[str, str]
    acme: Tenant
    globex: Tenant
    ledger: Ledger
    receiver: WebhookReceiver
    senders: list[Sender]
    heater: "Heater"
    eraser: "Eraser"
    webhook_secret: str
    secrets: dict[str, str]
    logs: list[Path]

    @property
    def tenants(self) -> tuple[Tenant, Tenant]:
        return self.acme, self.globex

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Nobody sends, so that what is there can be compared with what was acknowledged."""
        with ExitStack() as held:
            for source in (*self.senders, self.heater, self.eraser):
                held.enter_context(source.turn)
            yield


@contextmanager
def open_world(
    make_tenant: Callable[[str], Tenant],
    processes: list[Process],
    environment: dict[str, str],
    ledger: Ledger,
    pager: WebhookReceiver,
    logs: Path,
) -> Iterator[World]:
    """Two organizations that send, an alert every few seconds, and somebody who asks all the time."""
    acme, globex = make_tenant("acme"), make_tenant("globex")
    with ExitStack() as stack:
        stack.callback(acme.close)
        stack.callback(globex.close)
        heater, prober = Heater(acme, ledger), Prober(acme, ledger)
        secret = heater.start(pager.url)
        stack.callback(heater.stop)
        prober.start()
        stack.callback(prober.stop)
        senders = [Sender(tenant, ledger, pause_s=0.05).start() for tenant in (acme, globex)]
        for sender in senders:
            stack.callback(sender.stop)
        eraser = Eraser(acme, ledger)
        eraser.start()
        stack.callback(eraser.stop)
        yield World(
            processes=processes,
            environment=environment,
            acme=acme,
            globex=globex,
            ledger=ledger,
            receiver=pager,
            senders=senders,
            heater=heater,
            eraser=eraser,
            secrets={"password": PASSWORD, "secret of the webhook": secret, "key for ingest": acme.ingest_key},
            logs=sorted(logs.glob("*.log")),
            webhook_secret=secret,
        )


class Heater:
    """Every few seconds another host of acme's is too hot, and never cools down: each is one alert, and one page."""

    def __init__(self, tenant: Tenant, ledger: Ledger, *, every_s: float = 2.0) -> None:
        self._tenant = tenant
        self._ledger = ledger
        self._every_s = every_s
        self._client = httpx.Client(
            base_url=tenant.ingest.base_url, headers=tenant.ingest.headers, timeout=15, trust_env=False
        )
        self.turn = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heater", daemon=True)

    def start(self, pager_url: str) -> str:
        """The webhook's secret."""
        made = self._tenant.admin.post(
            f"/api/v1/orgs/{self._tenant.slug}/webhooks", json={"name": "pager", "url": pager_url}
        )
        assert made.status_code == 201, made.text
        rule = {
            "name": "too hot", "severity": "critical", "interval_s": 3,
            "condition": {
                "measurement": "heat", "field": "value", "aggregate": "last", "comparison": ">",
                "threshold": 90, "window_s": 3600, "group_by": ["host"],
            },
        }  # fmt: skip
        ruled = self._tenant.admin.post(f"/api/v1/orgs/{self._tenant.slug}/alert-rules", json=rule)
        assert ruled.status_code == 201, ruled.text
        self._thread.start()
        return str(made.json()["secret"])

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(30)
        self._client.close()

    def _run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            with self.turn:
                self._heat(f"hot{number}")
            self._stopping.wait(self._every_s)

    def _heat(self, host: str) -> None:
        line = f"heat,host={host} value={HOT} {time.time_ns() - 10**9}"
        try:
            if self._client.post("/api/v2/write", content=line).status_code == 204:
                self._ledger.note("heated", host=host)
        except httpx.TransportError:
            self._ledger.note("not heated", host=host)


class Eraser:
    """Has something forgotten every few seconds: a saga through every store, of something that nobody ever sent."""

    def __init__(self, tenant: Tenant, ledger: Ledger, *, every_s: float = 4.0) -> None:
        self._ledger = ledger
        self._every_s = every_s
        self._path = f"/api/v1/orgs/{tenant.slug}/erasures"
        self._client = httpx.Client(
            base_url=tenant.admin.base_url, headers=tenant.admin.headers, timeout=API_TIMEOUT_S, trust_env=False
        )
        self.turn = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eraser", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(API_TIMEOUT_S + 5)
        self._client.close()

    def _run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            with self.turn:
                self._ask({"kind": "label", "key": "ghost", "value": f"g{number}"})
            self._stopping.wait(self._every_s)

    def _ask(self, body: dict[str, str]) -> None:
        try:
            answer = self._client.post(self._path, json=body)
        except httpx.TransportError:
            return
        if answer.status_code == 201:
            self._ledger.note("erasure", id=answer.json()["id"], saga=answer.json()["saga_id"])


class Prober:
    """Asks the API twice a second, and notes how long each answer took and what it was."""

    def __init__(self, tenant: Tenant, ledger: Ledger) -> None:
        self._ledger = ledger
        self._path = f"/api/v1/orgs/{tenant.slug}/hosts"
        self._client = httpx.Client(
            base_url=tenant.admin.base_url, headers=tenant.admin.headers, timeout=API_TIMEOUT_S, trust_env=False
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(API_TIMEOUT_S + 5)
        self._client.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.time()
            try:
                outcome = str(self._client.get(self._path).status_code)
            except httpx.TimeoutException:
                outcome = "hangs"
            except httpx.TransportError:
                outcome = "gone"
            self._ledger.note("probe", began=began, outcome=outcome)
            self._stopping.wait(0.5)


def collect_receipts(receiver: WebhookReceiver, ledger: Ledger, secret: str) -> None:
    """Into the ledger what the pager got since the last time, each with its signature checked."""
    for item in receiver.received[ledger.count("receipt") :]:
        document = item.verified(secret)
        ledger.note(
            "receipt",
            id=item.message_id,
            type=document["type"],
            alert=document["data"]["id"],
            host=document["data"]["labels"].get("host", ""),
        )

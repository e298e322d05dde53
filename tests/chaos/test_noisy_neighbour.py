"""One organization asks and sends twenty times what it may, as fast as it can: what its neighbour notices of it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import httpx
import pytest

from chaos.soaking import say
from scenario.processes import Tenant, command
from scenario.up import Up
from waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(600)]
QUOTAS = {"ingest_points_per_second": 5_000, "api_requests_per_second": 20}
TIMES = 20
THREADS = 4
REQUESTS_PER_S = TIMES * QUOTAS["api_requests_per_second"]
RULES = 200
PROBES = 150
CONDITION = {"measurement": "m", "field": "v", "threshold": 1e9, "window_s": 600, "aggregate": "p95"}

Ask = Callable[[], httpx.Response]


class Noise:
    """Each thread sends its share of `TIMES` the quota, or as much as it gets answered."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._over = threading.Event()
        self.sent = self.put_off = 0

    @contextmanager
    def made(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._make, args=(ask,)) for ask in (self._write, self._search) * THREADS]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(60)

    def _make(self, ask: Ask) -> None:
        pause_s = THREADS / REQUESTS_PER_S
        while not self._over.wait(pause_s):
            status = ask().status_code
            self.sent += 1
            self.put_off += status in (429, 503)

    def _write(self) -> httpx.Response:
        at_ns = time.time_ns()
        points = TIMES * QUOTAS["ingest_points_per_second"] // REQUESTS_PER_S
        lines = "\n".join(f"m,host=h{number} v={number} {at_ns + number}" for number in range(points))
        return self._tenant.ingest.post("/api/v2/write", content=lines)

    def _search(self) -> httpx.Response:
        return question(self._tenant, "p95")


def question(tenant: Tenant, aggregate: str) -> httpx.Response:
    body = {"measurement": "m", "field": "v", "aggregate": aggregate, "from": "now-1h", "to": "now", "step": "10s"}
    path = f"/api/v1/orgs/{tenant.slug}/metrics/query"
    return tenant.admin.post(path, json=body, headers={"cache-control": "no-cache"})


def add_rules(tenant: Tenant, count: int) -> None:
    path = f"/api/v1/orgs/{tenant.slug}/alert-rules"

    def add(number: int) -> bool:
        rule = {"name": f"rule {number}", "interval_s": 10, "condition": CONDITION}
        return tenant.admin.post(path, json=rule).status_code == 201

    for number in range(count):
        eventually(partial(add, number), 60, what="room in the quota")


def p99_ms(ask: Ask) -> float:
    """Every answer is a good one: the neighbour is never put off."""
    took = []
    for _ in range(PROBES):
        began = time.perf_counter()
        answer = ask()
        took.append(time.perf_counter() - began)
        assert answer.is_success, answer.text
    return sorted(took)[int(PROBES * 0.99) - 1] * 1_000


def test_fault_54_twenty_times_its_quota_of_one_organization_leaves_every_request_of_another_answered(up: Up):
    noisy, quiet = up.tenant("noisy"), up.tenant("quiet")
    for name, value in QUOTAS.items():
        made = command(["quotas", "set", "--org", "noisy", "--name", name, "--value", str(value)], up.environment)
        assert made.returncode == 0, made.stderr
    asks: dict[str, Ask] = {
        "writing": lambda: quiet.ingest.post("/api/v2/write", content=f"m,host=a v=1 {time.time_ns()}"),
        "asking": lambda: question(quiet, "avg"),
        "listing": lambda: quiet.admin.get("/api/v1/orgs/quiet/hosts"),
    }
    path = "/api/v1/orgs/quiet/alert-rules"
    rule = {"name": "mine", "interval_s": 10, "condition": {**CONDITION, "threshold": 0, "aggregate": "count"}}
    try:
        alone = {name: p99_ms(ask) for name, ask in asks.items()}
        add_rules(noisy, RULES)
        noise = Noise(noisy)
        with noise.made():
            eventually(lambda: noise.put_off > 20, 60, what="a neighbour that is put off")
            beside = {name: p99_ms(ask) for name, ask in asks.items()}
            assert quiet.admin.post(path, json=rule).status_code == 201
            eventually(lambda: quiet.items("alerts"), 60, what="the quiet one's alert")
        say(f"noise: {noise.sent} requests, {noise.put_off} put off, {RULES} rules")
        for name in asks:
            ratio = beside[name] / alone[name]
            say(f"p99 of {name}: {alone[name]:.1f} ms alone, {beside[name]:.1f} ms beside the noise: {ratio:.2f} times")
    finally:
        noisy.close()
        quiet.close()

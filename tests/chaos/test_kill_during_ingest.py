"""kill -9 of the server, of PostgreSQL and of Valkey while telemetry comes in: what was acknowledged is there, once."""

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from chaos.ledger import LINES, POINTS, Sender, stored_lines, stored_points
from scenario.processes import Tenant
from scenario.up import Up
from waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]


@pytest.fixture
def tenants(up: Up) -> Iterator[tuple[Tenant, Tenant]]:
    acme, globex = up.tenant("acme"), up.tenant("globex")
    yield acme, globex
    acme.close()
    globex.close()


def acknowledged_at_least(sender: Sender, count: int) -> None:
    def enough() -> bool:
        ledger = sender.ledger
        return min(len(ledger.acknowledged_metrics), len(ledger.acknowledged_logs)) >= count

    eventually(enough, 60, what=f"{count} acknowledged batches")


def child(up: Up, name: str) -> int:
    """The topmost process of this name below the server."""
    for process in psutil.Process(up.process.pid).children(recursive=True):
        if name in process.name():
            return process.pid
    raise AssertionError(f"no child called {name}")


def check(sender: Sender, acme: Tenant, globex: Tenant) -> None:
    """Every acknowledged batch whole and once; one that was not acknowledged, whole and once or not at all."""
    ledger = sender.stop()

    def all_in() -> bool:
        points, lines = stored_points(acme, sender), stored_lines(acme)
        missing = [number for number in ledger.acknowledged_metrics if points[number] != POINTS]
        absent = [
            f"chaos {number} {n}"
            for number in ledger.acknowledged_logs
            for n in range(LINES)
            if not lines[f"chaos {number} {n}"]
        ]
        assert missing == [], f"acknowledged batches that are not whole: {missing[:10]}"
        assert absent == [], f"acknowledged lines that are missing: {absent[:10]}"
        return True

    eventually(all_in, 60)
    points, lines = stored_points(acme, sender), stored_lines(acme)
    assert set(points.values()) <= {POINTS}
    assert set(lines.values()) <= {1}
    assert stored_points(globex, sender) == {}
    assert stored_lines(globex) == {}


@pytest.mark.parametrize("victim", ["postgres", "valkey"])
def test_a_killed_embedded_server_loses_and_doubles_nothing(up, tenants, victim):
    sender = Sender(tenants[0])
    sender.start()
    acknowledged_at_least(sender, 10)
    os.kill(child(up, victim), signal.SIGKILL)
    acknowledged_at_least(sender, len(sender.ledger.acknowledged_metrics) + 20)
    up.process.wait_until_ready(up.api_port)
    check(sender, *tenants)


def test_a_killed_strata_loses_and_doubles_nothing_and_starts_again(up, tenants):
    sender = Sender(tenants[0])
    sender.start()
    for _ in range(3):
        acknowledged_at_least(sender, len(sender.ledger.acknowledged_metrics) + 15)
        up.process.kill()
        up.start()
    acknowledged_at_least(sender, len(sender.ledger.acknowledged_metrics) + 10)
    check(sender, *tenants)

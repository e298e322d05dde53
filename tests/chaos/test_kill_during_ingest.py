"""kill -9 of the server, of PostgreSQL and of Valkey while telemetry comes in: what was acknowledged is there, once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.ledger import Ledger
from chaos.nemesis import child
from chaos.sending import LINES, POINTS, Sender, stored_lines, stored_points
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


@pytest.fixture
def sender(tenants: tuple[Tenant, Tenant], tmp_path: Path) -> Iterator[Sender]:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    yield Sender(tenants[0], ledger)
    ledger.close()


def acknowledged_at_least(sender: Sender, count: int) -> None:
    eventually(lambda: sender.least_acknowledged >= count, 60, what=f"{count} acknowledged batches")


def check(sender: Sender, acme: Tenant, globex: Tenant) -> None:
    """Every acknowledged batch whole and once; one that was not acknowledged, whole and once or not at all."""
    sender.stop()

    def all_in() -> bool:
        points, lines = stored_points(acme, sender), stored_lines(acme)
        missing = [number for number in sender.acknowledged("metrics") if points[number] != POINTS]
        absent = [line for number in sender.acknowledged("logs") for line in sender.lines(number) if not lines[line]]
        assert missing == [], f"acknowledged batches that are not whole: {missing[:10]}"
        assert absent == [], f"acknowledged lines that are missing: {absent[:10]}"
        return True

    eventually(all_in, 60)
    points, lines = stored_points(acme, sender), stored_lines(acme)
    assert set(points.values()) <= {POINTS}
    assert set(lines.values()) <= {1}
    assert len(lines) % LINES == 0
    assert stored_points(globex, sender) == {}
    assert stored_lines(globex) == {}


@pytest.mark.parametrize("victim", ["postgres", "valkey"])
def test_a_killed_embedded_server_loses_and_doubles_nothing(up, tenants, sender, victim):
    sender.start()
    acknowledged_at_least(sender, 10)
    child(up.process, victim).kill()
    acknowledged_at_least(sender, sender.least_acknowledged + 20)
    up.process.wait_until_ready(up.api_port)
    check(sender, *tenants)


def test_a_killed_strata_loses_and_doubles_nothing_and_starts_again(up, tenants, sender):
    sender.start()
    for _ in range(3):
        acknowledged_at_least(sender, sender.least_acknowledged + 15)
        up.process.kill()
        up.start()
    acknowledged_at_least(sender, sender.least_acknowledged + 10)
    check(sender, *tenants)

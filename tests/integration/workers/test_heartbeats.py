"""Every worker says how its loops are, where every other process can read it."""

import os
import subprocess

import pytest

from strata_core.worker_fleet.commands import note_alive
from strata_core.worker_fleet.queries import worker_rows
from strata_core.worker_fleet.rules import FORGOTTEN_AFTER, SILENT_AFTER, fleet_health
from strata_datamodel.errors import StoreUnavailableError
from strata_stores.postgres.roles import APP
from strata_workers.heartbeat import Heartbeat
from strata_workers.loops import LoopStatus

WELL = LoopStatus("relay", 60, beats=3, failures=0, silent_s=1, last_error="")
HANGING = LoopStatus("relay", 60, beats=3, failures=0, silent_s=90, last_error="")


@pytest.fixture
def told(units, system_units, shifted_clock):
    """What the API, which is no worker, says of them."""

    def tell() -> dict[str, tuple[bool, str]]:
        with units.credential("health") as uow:
            found = fleet_health(worker_rows(uow), uow.now())
        assert not any(item.is_required for item in found)
        return {item.store: (item.is_ready, item.detail) for item in found}

    return tell


def test_a_worker_that_fell_silent_is_named_and_forgotten_in_the_end(system_units, shifted_clock, told):
    first, second = (Heartbeat(system_units, name, lambda: [WELL]) for name in ("one", "two"))
    first.step()
    second.step()
    assert told() == {"workers": (True, "2 alive")}
    shifted_clock.advance(SILENT_AFTER)
    second.step()
    assert told() == {"workers": (True, "1 alive"), "worker one": (False, "silent for 30 s")}
    assert "worker one" in {item.store for item in second.others()}
    shifted_clock.advance(FORGOTTEN_AFTER)
    second.step()
    assert told() == {"workers": (True, "1 alive")}


def test_a_loop_that_hangs_in_another_process_is_named(system_units, told):
    Heartbeat(system_units, "one", lambda: [HANGING]).step()
    assert told() == {"workers": (True, "1 alive"), "loop relay of one": (False, "hangs for 90 s")}
    other = Heartbeat(system_units, "two", lambda: [HANGING])
    other.step()
    # Of itself a worker tells first hand.
    assert {item.store for item in other.others()} == {"workers", "loop relay of one"}


def test_a_worker_that_stops_by_itself_is_missed_by_nobody(system_units, told):
    heartbeat = Heartbeat(system_units, "one", lambda: [WELL])
    heartbeat.step()
    heartbeat.end()
    assert told() == {"workers": (False, "none is alive: nothing that has to happen later happens")}


def test_a_worker_clears_those_of_its_host_that_were_killed_when_it_begins(system_units, told):
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    mine = f"h-{os.getpid()}-b"
    with system_units.system() as uow:
        for name in (f"h-{dead.pid}-a", f"h-{os.getpid()}-a", "h-1-a", f"other-{dead.pid}-a", "plain"):
            note_alive(uow, name, {})
    heartbeat = Heartbeat(system_units, mine, lambda: [WELL])
    heartbeat.step()
    with system_units.system() as uow:
        left = {row.name for row in worker_rows(uow)}
    assert left == {mine, "h-1-a", f"other-{dead.pid}-a", "plain"}
    assert told() == {"workers": (True, "4 alive")}


def test_nobody_but_workers_writes_heartbeats(units, system_units, database, told):
    Heartbeat(system_units, "one", lambda: [WELL]).step()
    assert database.rows("SELECT has_table_privilege(%s, 'workers', 'INSERT') AS may", APP) == [{"may": False}]
    assert database.rows("SELECT has_table_privilege(%s, 'leases', 'SELECT') AS may", APP) == [{"may": False}]


def test_a_database_that_is_down_makes_no_probe_fail(system_units):
    class Down:
        def system(self):
            raise StoreUnavailableError("postgres", "does not answer")

    assert Heartbeat(Down(), "one", lambda: [WELL]).others() == []

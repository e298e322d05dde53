"""A saga that does harm to every process that takes it up: it is put aside in the end, and its neighbours go on."""

import resource
from itertools import count
from pathlib import Path

import pytest

from strata_core.sagas.claiming import LEASE
from strata_core.sagas.rules import CLAIMS_IN_VAIN
from waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]

HEADROOM = 256 << 20


@pytest.fixture
def poisoned(start, database, two_organizations):
    """A saga with this poison in it, among others of its organization and of another."""

    def begin(poison):
        start(6, refused=("",))
        start(1, refused=("",), poison=poison)

        def row():
            (found,) = database.rows("SELECT * FROM sagas WHERE input ? 'poison'")
            return found

        assert row()["organization_id"] == two_organizations.first
        return row

    return begin


def states_of_others(database):
    rows = database.rows("SELECT organization_id, state, claims FROM sagas WHERE NOT input ? 'poison'")
    return {(row["organization_id"], row["state"]) for row in rows}


def test_fault_12_a_saga_that_kills_process_after_process_is_parked_and_its_neighbours_are_done(
    poisoned, victim, place, outside, database, two_organizations
):
    """Each is truly killed, by SIGKILL in the middle of the step's effect, and the next takes up what it left."""
    row = poisoned("kill")
    deaths = 0
    for number in count():
        process = victim(ahead_s=number * (LEASE.total_seconds() + 1))
        eventually(lambda each=process: not each.is_alive or row()["state"] == "parked", 60, what=f"death {number}")
        if row()["state"] == "parked":
            break
        assert process.end() < 0
        deaths += 1
    assert deaths == CLAIMS_IN_VAIN + 1, "the first had written its intent"
    assert (row()["reason_code"], row()["lease_until"]) == ("claims_in_vain", None)
    assert "store" in row()["reason"]
    process.until(lambda: {state for _, state in states_of_others(database)} == {"done"})
    assert {each for each, _ in states_of_others(database)} == {two_organizations.first, two_organizations.second}
    assert len(outside.breaches()) == 1, "that of the saga that is parked"
    assert process.end() == 0


def test_fault_12_a_saga_that_eats_all_memory_its_process_may_have_is_undone_and_its_neighbours_are_done(
    poisoned, start, victim, outside, database, two_organizations
):
    """By the kernel's limit on data, which leaves out what threads and arenas only reserve: under one on addresses no
    thread could be started any more, and whatever was to be undone waited for one."""
    process = victim()
    start(2, refused=("",))
    process.until(lambda: outside.states() == {"done": 2}, what="a process that is warm")
    limit = data_bytes(process.process.pid) + HEADROOM
    resource.prlimit(process.process.pid, resource.RLIMIT_DATA, (limit, limit))
    row = poisoned("eat")
    process.until(lambda: row()["ended_at"] is not None, 120, what="the end of the one that eats")
    assert row()["state"] == "compensated"
    assert "MemoryError" in str(row()["reason"])
    start(6, refused=("",))
    process.until(lambda: {state for _, state in states_of_others(database)} == {"done"})
    assert {each for each, _ in states_of_others(database)} == {two_organizations.first, two_organizations.second}
    assert outside.breaches() == []
    assert process.end() == 0, process.log()


def data_bytes(pid: int) -> int:
    (line,) = (each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmData:"))
    return int(line.split()[1]) << 10

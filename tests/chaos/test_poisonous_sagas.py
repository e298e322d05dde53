"""A saga that does harm to every process that takes it up: it is put aside in the end, and its neighbours go on."""

from itertools import count

import pytest

from strata_core.sagas.claiming import LEASE
from strata_core.sagas.rules import CLAIMS_IN_VAIN
from waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]


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

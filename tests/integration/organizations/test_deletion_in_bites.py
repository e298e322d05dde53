"""However many rows an organization has, no transaction of its deletion takes more than a bite of them."""

from datetime import timedelta
from itertools import pairwise

from strata_core.organizations.belongings import ROWS_PER_BITE
from strata_core.organizations.deletion import DELETION
from strata_core.organizations.deletion_requests import request_deletion
from strata_core.sagas.claiming import claim_sagas
from strata_core.sagas.definitions import catalogue
from strata_workers.saga_driver import SagaDriver

ALERTS = 2 * ROWS_PER_BITE + 500


def test_many_alerts_go_in_bites_and_each_is_committed(held):
    acme, globex = held.organization("acme"), held.organization("globex")
    for organization_id, many in ((acme, ALERTS), (globex, 3)):
        held.database.run(
            "INSERT INTO alerts (organization_id, fingerprint, severity) SELECT %s, n::text, 'info'"
            " FROM generate_series(1, %s) n",
            organization_id,
            many,
        )
    theirs = held.holdings(globex)
    ctx = held.context("acme")
    with held.app_units.organization(acme) as uow:
        saga_id = request_deletion(ctx, uow, confirm="acme", grace=timedelta(0))
    driver = SagaDriver(held.units, catalogue([DELETION]), held.tools)
    seen, state = [], None
    for _ in range(100):
        (row,) = held.database.rows("SELECT count(*) AS held FROM alerts WHERE organization_id = %s", acme)
        (saga,) = held.database.rows("SELECT state, due_at FROM sagas WHERE id = %s", saga_id)
        seen.append(row["held"])
        state = saga["state"]
        if saga["due_at"] is None:
            break
        with held.units.system() as uow:
            claimed = claim_sagas(uow, "bites", limit=1)
        if not claimed:
            held.world.clock.advance(timedelta(seconds=5))
        for each in claimed:
            driver.drive(each)
    assert state == "done"
    taken = [before - after for before, after in pairwise(seen) if before != after]
    assert len(taken) == 3
    assert max(taken) <= ROWS_PER_BITE
    assert held.holdings(acme) == {}
    assert held.holdings(globex) == theirs

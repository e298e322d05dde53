"""A move beside what else is done to whole organizations."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from factories.point_batches import SECOND, batch_of, point
from fixtures.two_cells import OPERATOR, TwoCells, held_by_tier, two_cells
from scenario.saga_kills import drive_to_end
from strata_core.cells.saga import MOVE
from strata_core.cells.stores import CellStores
from strata_core.erasures.commands import request_erasure
from strata_core.erasures.rules import ErasureKind, Selector
from strata_core.erasures.saga import ERASURE
from strata_core.organizations.deletion import DELETION
from strata_core.organizations.deletion_requests import request_deletion
from strata_core.organizations.provisioning import PROVISIONING_SAGA, begin_provisioning
from strata_core.sagas.claiming import claim_sagas
from strata_core.sagas.definitions import catalogue
from strata_datamodel.ids import SagaId
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_stores.tantivy.log_store import TantivyLogStore
from strata_workers.saga_driver import SagaDriver


@pytest.fixture
def cells(make_holdings, system_units, shifted_clock, tmp_path) -> Iterator[TwoCells]:
    log_store = TantivyLogStore(tmp_path / "logs", clock=shifted_clock)
    old, new = (DuckDbMetricStore(tmp_path / name, clock=shifted_clock) for name in ("old", "new"))
    yield two_cells(make_holdings, system_units, shifted_clock, old, new, log_store)
    for store in (old, new, log_store):
        store.close()


def driven_once(cells: TwoCells) -> None:
    driver = SagaDriver(cells.held.units, catalogue([MOVE, ERASURE, DELETION]), cells.held.tools)
    with cells.held.units.system() as uow:
        claimed = claim_sagas(uow, "test", limit=5)
    for saga in claimed:
        driver.drive(saga)
    cells.held.world.clock.advance(timedelta(seconds=30))


def state(cells: TwoCells, saga_id: SagaId) -> object:
    """A deletion takes the rows of other sagas with it."""
    return next(
        (row["state"] for row in cells.held.database.rows("SELECT * FROM sagas WHERE id = %s", saga_id)), "gone"
    )


def driven_until_ended(cells: TwoCells, first: SagaId, then: SagaId) -> None:
    """And the second does nothing before the first has ended."""
    for _ in range(60):
        driven_once(cells)
        if state(cells, first) not in {"done", "gone"}:
            (row,) = cells.held.database.rows("SELECT state FROM saga_steps WHERE saga_id = %s AND seq = 0", then)
            assert row["state"] != "done"
        if state(cells, then) == "done":
            return
    raise AssertionError(f"{state(cells, first)}, {state(cells, then)}")


def test_an_erasure_that_is_asked_for_during_a_move_waits_and_forgets_in_the_new_cell(cells):
    held, acme, globex = cells.held, cells.held.organization("acme"), cells.held.organization("globex")
    now_ns = held.world.clock.now_ns()
    for organization_id in (acme, globex):
        for host in ("web1", "web9"):
            held.tools.metric_store.write(batch_of(organization_id, point(now_ns - SECOND, 1.0, host=host)))
    theirs = held_by_tier(cells.old, globex)
    moving = cells.request_move(acme)
    driven_once(cells)
    assert cells.placement(acme).written == ("default", "new")
    with held.app_units.organization(acme) as uow:
        request_erasure(held.context("acme"), uow, Selector(ErasureKind.HOST, value="web1"), reason="")
    (row,) = held.database.rows("SELECT id FROM sagas WHERE kind = 'erasure'")
    driven_until_ended(cells, moving, SagaId(row["id"]))
    assert (cells.old.count_points(acme), cells.new.count_points(acme)) == (0, 1)
    assert cells.new.count_matching(acme, [("host", "web9")]) == 1
    assert held_by_tier(cells.old, globex) == theirs


def test_a_deletion_that_is_asked_for_during_a_move_waits_and_leaves_nothing_in_any_cell(cells):
    held, acme = cells.held, cells.held.organization("acme")
    moving = cells.request_move(acme)
    driven_once(cells)
    with held.app_units.organization(acme) as uow:
        deleting = request_deletion(held.context("acme"), uow, confirm="acme", grace=timedelta(0))
    driven_until_ended(cells, moving, deleting)
    assert {cells.old.count_points(acme), cells.new.count_points(acme)} == {0}
    assert held.holdings(acme) == {}


def test_new_organizations_go_into_the_cell_for_new_ones(cells):
    held = cells.held
    tools = replace(held.tools, cells=CellStores(held.tools.cells.stores, "new"))
    with held.units.system() as uow:
        made, saga_id = begin_provisioning(
            uow, slug="late", name="Late", owner_email="o@late.test", password_hash="unused", actor=OPERATOR,
            request_id="test",
        )  # fmt: skip
    assert drive_to_end(held.world, PROVISIONING_SAGA, tools, saga_id) == "done"
    assert cells.placement(made.organization.id).written == ("new",)
    assert cells.placement(held.organization("acme")).written == ("default",)

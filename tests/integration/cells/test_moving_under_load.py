"""An organization is moved between two stores while it sends at full rate, and asks all the while."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from factories.point_batches import MINUTE, SECOND, batch_of, point, question
from fixtures.holdings import MakeHoldings
from fixtures.two_cells import TwoCells, held_by_tier, two_cells
from integration.organizations.ingest_under_load import LINES, Ingest, sending
from scenario.saga_kills import KillPoints, drive_through
from strata_core.cells.rules import Placement
from strata_core.cells.saga import MOVE
from strata_core.metrics.slices import form_of_windows
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate
from strata_datamodel.tiers import ROLLED_UP, Tier
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_stores.influx.metric_store import InfluxMetricStore
from strata_stores.tantivy.log_store import TantivyLogStore
from waiting import eventually

HOUR = 60 * MINUTE
EARLIER = 500


@pytest.fixture(params=["duckdb to duckdb", "duckdb to influx"])
def cells(request, make_holdings: MakeHoldings, system_units, shifted_clock, tmp_path: Path) -> Iterator[TwoCells]:
    names = dict(zip(("old", "new"), request.param.split(" to "), strict=True))

    def opened(name: str) -> Any:
        if names[name] == "duckdb":
            return DuckDbMetricStore(tmp_path / name, clock=shifted_clock)
        url, database = request.getfixturevalue("influx_url"), request.getfixturevalue("influx_database")
        return InfluxMetricStore(url, shifted_clock, database=database, kept_ns=None)

    log_store = TantivyLogStore(tmp_path / "logs", clock=shifted_clock)
    found = two_cells(make_holdings, system_units, shifted_clock, opened("old"), opened("new"), log_store)
    yield found
    for store in (found.old, found.new, log_store):
        store.close()


class Boundaries(KillPoints):
    """Asks at every boundary of every step, and has another process write, which goes by what it knows of placements
    for as long as it may. Kills nobody."""

    def __init__(self, cells: TwoCells, organization_id: OrganizationId, from_ns: int) -> None:
        super().__init__()
        self.store, self.straggler = cells.held.tools.metric_store, cells.another_process()
        self.organization_id, self.from_ns = organization_id, from_ns

    def reached(self, name: str) -> None:
        super().reached(name)
        asked = question(
            self.organization_id, self.from_ns, self.from_ns + 2 * HOUR, Aggregate.COUNT, measurement="early"
        )
        answer = self.store.query(asked)
        assert [value for series in answer.series for _, value in series.points] == [EARLIER], name
        late = point(self.from_ns + 4 * HOUR + len(self.reached_names) * SECOND, 1.0, measurement="late")
        self.straggler.write(batch_of(self.organization_id, late))


def test_moved_under_load_every_point_is_in_the_new_cell_and_none_in_the_old(cells, tmp_path):
    held = cells.held
    acme, globex = held.organization("acme"), held.organization("globex")
    store, now_ns = held.tools.metric_store, held.world.clock.now_ns()
    from_ns = now_ns - now_ns % HOUR - 5 * HOUR
    early = [point(from_ns + at * 10 * SECOND, float(at % 7), measurement="early") for at in range(EARLIER)]
    early += [point(from_ns + at * MINUTE, f"word {at % 3}", measurement="said", field="w") for at in range(20)]
    for organization_id in (acme, globex):
        store.delete_organization(organization_id)
        store.write(batch_of(organization_id, *early))
    for tier in ROLLED_UP:
        store.roll_up(tier, from_ns, from_ns + 3 * HOUR)
    windows = {tier: cells.old.window_slice(acme, tier, from_ns, from_ns + 3 * HOUR, 10_000) for tier in ROLLED_UP}
    theirs = held_by_tier(cells.old, globex)
    with ExitStack() as stack:
        ingest = Ingest(held, tmp_path / "spool", stack)
        ingest.open()
        ingest.start_writers()
        with sending(held, ingest.url) as senders:
            eventually(lambda: cells.old.count_points(acme) > len(early) + LINES, what="points of acme")
            saga_id = cells.request_move(acme)
            boundaries = Boundaries(cells, acme, from_ns)
            assert drive_through(held.world, MOVE, held.tools, saga_id, boundaries) == "done"
            sent_by_then = senders["acme"].accepted["metrics"]
            eventually(lambda: senders["acme"].accepted["metrics"] > sent_by_then + LINES, what="more from acme")
        ingest.drain()
        sent = {slug: sender.accepted["metrics"] for slug, sender in senders.items()}

    assert cells.placement(acme).written == ("new",)
    assert sum(held_by_tier(cells.old, acme).values()) == 0
    assert cells.new.count_points(acme) == len(early) + sent["acme"] + len(boundaries.reached_names)
    for tier in ROLLED_UP:
        moved = cells.new.window_slice(acme, tier, from_ns, from_ns + 3 * HOUR, 10_000)
        assert form_of_windows(moved) == form_of_windows(windows[tier])
    assert cells.placement(globex) == Placement()
    assert held_by_tier(cells.old, globex) == theirs | {Tier.RAW: theirs[Tier.RAW] + sent["globex"]}
    assert sum(held_by_tier(cells.new, globex).values()) == 0

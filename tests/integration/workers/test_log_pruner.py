"""Days of logs past what is kept are given back, and no day sooner."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from factories.log_events import BASE, DAY, day_of, log_batch, log_event, log_search
from fakes.manual_clock import ManualClock
from strata_core.logs.retention import days_past
from strata_datamodel.ids import OrganizationId
from strata_stores.tantivy.log_store import TantivyLogStore
from strata_workers.log_pruner import LogPruner

KEPT = 30


@pytest.fixture
def store(tmp_path):
    clock = ManualClock(datetime.fromtimestamp(BASE / 1e9, UTC))
    store = TantivyLogStore(tmp_path / "logs", clock)
    store.prepare()
    yield store, clock
    store.close()


def test_days_are_dropped_one_after_the_other_once_all_of_them_is_past(store):
    logs, clock = store
    acme, globex = (OrganizationId(uuid4()) for _ in range(2))
    for organization_id in (acme, globex):
        for days_ago in (0, 29, 30, 31, 40):
            logs.write(log_batch(organization_id, log_event(f"{days_ago} ago", BASE - days_ago * DAY)))
    logs.refresh()
    pruner = LogPruner(logs, clock, KEPT)
    assert [pruner.step(), pruner.step(), pruner.step()] == [1, 1, 0]
    assert list(logs.days()) == [day_of(BASE - days_ago * DAY) for days_ago in (30, 29, 0)]
    for organization_id in (acme, globex):
        found = [event.message for event in logs.search(log_search(organization_id)).items]
        assert sorted(found) == ["0 ago", "29 ago", "30 ago"]
    clock.advance(86_400)
    assert [pruner.step(), pruner.step()] == [1, 0]


@pytest.mark.parametrize(("day", "is_past"), [("2026-03-01", True), ("2026-03-02", False), ("2026-04-01", False)])
def test_an_event_of_the_last_second_of_a_day_is_kept_for_all_its_time(day, is_past):
    # On 1 April the last event of 1 March is more than 30 days old, and that of 2 March is not.
    assert days_past([day], date(2026, 4, 1), KEPT) == ([day] if is_past else [])

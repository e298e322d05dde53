"""Alerts are found as they are now, by those who may see them, also while the index is behind or gone."""

from datetime import timedelta
from uuid import uuid4

import pytest

from integration.search.search_world import FIRST, SETTLED, SearchWorld
from strata_core.access.grants import Grant
from strata_core.context import Actor, ActorKind, Context
from strata_core.search.queries import AlertSearch, search_alerts
from strata_datamodel.errors import InvalidError, StoreUnavailableError
from strata_datamodel.logs import SortOrder
from strata_datamodel.search import Projected, SearchDocument
from strata_stores.tantivy.search_index import TantivySearchIndex


@pytest.fixture
def world(tmp_path, system_units, shifted_clock, database, two_organizations):
    index = TantivySearchIndex(tmp_path / "search", shifted_clock)
    index.prepare()
    yield SearchWorld(system_units, index, shifted_clock, database, two_organizations)
    index.close()


def test_an_alert_is_found_before_and_after_it_is_in_the_index(world):
    (alert_id,) = world.fire(summary="disk full on web-1")
    world.fire(organization_id=world.globex, summary="disk full on theirs")
    assert world.found('"disk full" severity:critical') == [alert_id]
    world.project()
    assert world.found("disk labels.host:web-*") == [alert_id]
    world.clock.advance(SETTLED)
    assert world.found("status:firing") == [alert_id]
    assert world.search("disk").total.value == 1


def test_what_changed_a_moment_ago_is_found_as_it_is_now(world):
    first, second = world.settled(2)
    world.acknowledge(first)
    assert world.found("status:acknowledged") == [first]
    assert world.found("status:firing") == [second]
    assert world.search("status:firing").total.value == 1


def test_pages_go_on_where_the_last_ended_whatever_is_in_the_index(world):
    old = world.settled(7)
    new = world.fire(6, summary="memory full")
    for order, wanted in ((SortOrder.DESC, [*reversed(new), *reversed(old)]), (SortOrder.ASC, [*old, *new])):
        seen, cursor = [], None
        while True:
            page = world.search("full", limit=4, order=order, cursor=cursor)
            seen += [item["id"] for item in page.items]
            assert page.total.value == 13
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == [str(alert_id) for alert_id in wanted]


def test_a_cursor_of_another_search_or_organization_is_refused(world):
    world.settled(3)
    world.settled(3, world.globex)
    cursor = world.search("disk", limit=1).next_cursor
    with pytest.raises(InvalidError, match="cursor"):
        world.search("full", limit=1, cursor=cursor)
    with pytest.raises(InvalidError, match="cursor"):
        world.search("disk", world.globex, limit=1, cursor=cursor)


def test_what_the_index_has_wrong_is_not_shown(world):
    """A ghost, and a document that says what the row does not say any more."""
    (alert_id,) = world.settled(1)
    document = SearchDocument(0, "ghost disk", ("status=firing",))
    world.index.write(FIRST, [Projected(world.acme, uuid4(), 1, 1, document)])
    world.index.write(FIRST, [Projected(world.acme, alert_id, 50, 1, SearchDocument(0, "ghost", ("status=resolved",)))])
    assert world.found("ghost") == []
    assert world.found("status:resolved") == []


def test_who_may_see_certain_labels_finds_those_only(world):
    mine = world.fire(summary="disk full", labels={"team": "a"}, fingerprint="a")
    world.fire(summary="disk full", labels={"team": "b"}, fingerprint="b")
    for _ in range(2):
        scoped = frozenset({Grant("alerts:read", (("team", "a"),))})
        ctx = Context(world.acme, Actor(ActorKind.USER, uuid4(), "ana"), frozenset(), "test", scoped=scoped)
        page = search_alerts(
            ctx,
            lambda: world.units.organization(world.acme),
            world.index,
            AlertSearch("disk OR labels.team:b"),
            b"k" * 32,
        )
        assert ([item["id"] for item in page.items], page.total.value) == ([str(mine[0])], 1)
        world.project()
        world.clock.advance(SETTLED)


def test_nothing_is_found_where_nothing_ever_was(world):
    assert world.found("disk") == []


def test_without_its_index_a_search_says_so_and_events_wait(world, tmp_path):
    (first,) = world.settled(1)
    world.index.drop(FIRST)
    with pytest.raises(StoreUnavailableError, match="made again"):
        world.found("disk")
    (second,) = world.fire(1, fingerprint="later")
    world.follow()
    damaged = tmp_path / "search" / "alert-000001"
    damaged.mkdir()
    assert world.projector.step() == 0
    assert world.pending() == 1
    with pytest.raises(StoreUnavailableError):
        world.found("disk")
    damaged.rmdir()
    world.clock.advance(timedelta(minutes=2))
    assert world.projector.step() == 1
    world.heal()
    assert sorted(world.found("disk")) == sorted([first, second])

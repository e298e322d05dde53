"""What becomes of projections when Elasticsearch, or the way to it, does not do its part (fault tests 14 and 15)."""

import urllib.request
from datetime import timedelta

import pytest

from fakes.moody_elastic import Mood, moody_elastic
from faults.kinds import BlackHole, CutReply, PassThrough, Refuse
from integration.search.search_world import FIRST, SearchWorld
from strata_core.search.projections import ALERT
from strata_stores.breaker import Breaker
from strata_stores.elastic.search_index import ElasticSearchIndex
from strata_workers.projector import ATTEMPTS_BEFORE_PARKING

PAUSE = timedelta(minutes=2)


@pytest.fixture
def world_at(elastic_prefix, shifted_clock, system_units, database, two_organizations):
    indexes = []

    def build(url: str) -> SearchWorld:
        breaker = Breaker("search", shifted_clock, failures_to_open=1_000_000)
        index = ElasticSearchIndex(url, shifted_clock, prefix=elastic_prefix, write_timeout_s=3, breaker=breaker)
        indexes.append(index)
        index.create(FIRST)
        return SearchWorld(system_units, index, shifted_clock, database, two_organizations)

    yield build
    for index in indexes:
        index.close()


def project_until(world: SearchWorld, pending: int) -> None:
    world.follow()
    for _ in range(60):
        world.projector.step()
        if world.pending() <= pending:
            return
        world.clock.advance(PAUSE)
    raise AssertionError(f"{world.pending()} events still wait")


@pytest.mark.parametrize("fault", [CutReply(), CutReply(after_bytes=40), Refuse(), BlackHole()], ids=str)
def test_fault_14_an_answer_that_is_lost_leaves_each_alert_once_in_its_newest_version(
    world_at, elastic_url, fault_proxy, fault
):
    proxy = fault_proxy(elastic_url)
    world = world_at(f"http://127.0.0.1:{proxy.port}")
    ids = world.fire(20)
    world.acknowledge(ids[0])
    world.follow()
    proxy.set(fault)
    assert world.projector.step() == 0
    assert world.pending() == 21
    proxy.set(PassThrough())
    world.clock.advance(PAUSE)
    project_until(world, 0)
    assert {entity_id: one.version for entity_id, one in world.held().items()} == dict.fromkeys(ids, 1) | {ids[0]: 2}


def test_fault_15_only_what_is_refused_for_good_is_parked_with_its_reason(world_at, elastic_url):
    mood = Mood(seed=15, busy=0.2, away=0.2, bad="poison", dies_after=1)
    with moody_elastic(elastic_url, mood):
        world = world_at(mood.url)
        ids = world.fire(20)
        (bad,) = world.fire(1, summary="poison", fingerprint="bad")
        project_until(world, 1)
        world.database.run("UPDATE outbox SET attempts = %s WHERE state = 'pending'", ATTEMPTS_BEFORE_PARKING - 1)
        project_until(world, 0)
    assert all(mood.given.values()), mood.given
    assert world.live() == set(ids)
    (parked,) = world.database.rows("SELECT entity_id, last_error FROM outbox WHERE state = 'parked'")
    assert parked["entity_id"] == bad
    assert "never fits" in str(parked["last_error"])


def test_an_index_that_was_deleted_by_hand_is_made_again_by_the_next_projection(world_at, elastic_url, elastic_prefix):
    world = world_at(elastic_url)
    world.settled(3)
    name = f"strata-search-{elastic_prefix}-{ALERT}-000001"
    urllib.request.urlopen(urllib.request.Request(f"{elastic_url}/{name}", method="DELETE"), timeout=30).close()
    new = world.fire(1, fingerprint="new")
    assert world.project() == 1
    assert world.live() == set(new)
    assert world.heal() > 0
    assert len(world.live()) == 4

"""The stories of the reconciler and of a re-index on tantivy."""

import pytest

from integration.search.reconciler_story import ReconcilerStory
from integration.search.reindex_story import ReindexStory, active, start
from scenario.saga_kills import drive_to_end, kill_plans
from strata_core.search.projections import ALERT
from strata_core.search.reindexing import REINDEX
from strata_datamodel.search import Place
from strata_stores.tantivy.search_index import TantivySearchIndex


@pytest.fixture
def index(tmp_path, shifted_clock):
    index = TantivySearchIndex(tmp_path / "search", shifted_clock)
    index.prepare()
    yield index
    index.close()


class TestReconciler(ReconcilerStory):
    pass


class TestReindex(ReindexStory):
    def test_a_death_anywhere_loses_nothing(self, world, tools):
        ids = set(world.settled(12))
        for generation, points in enumerate(kill_plans(REINDEX), start=2):
            assert drive_to_end(world, REINDEX, tools, start(world), points) == "done", points
            assert active(world) == generation
            assert world.live(place=Place(ALERT, generation)) == ids, points
            assert world.live(place=Place(ALERT, generation - 1)) == set(), points
            world.reconciler.sweep()
        assert not world.reconcile().drift

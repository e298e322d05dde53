"""The reconciler's story on tantivy."""

import pytest

from integration.search.reconciler_story import ReconcilerStory
from strata_stores.tantivy.search_index import TantivySearchIndex


@pytest.fixture
def index(tmp_path, shifted_clock):
    index = TantivySearchIndex(tmp_path / "search", shifted_clock)
    index.prepare()
    yield index
    index.close()


class TestReconciler(ReconcilerStory):
    pass

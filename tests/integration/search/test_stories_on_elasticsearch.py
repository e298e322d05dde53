"""The stories of the reconciler and of a re-index on Elasticsearch."""

import pytest

from integration.search.reconciler_story import ReconcilerStory
from integration.search.reindex_story import ReindexStory
from strata_stores.elastic.search_index import ElasticSearchIndex


@pytest.fixture
def index(elastic_url, elastic_prefix, shifted_clock):
    index = ElasticSearchIndex(elastic_url, shifted_clock, prefix=elastic_prefix)
    yield index
    index.close()


class TestReconciler(ReconcilerStory):
    pass


class TestReindex(ReindexStory):
    pass

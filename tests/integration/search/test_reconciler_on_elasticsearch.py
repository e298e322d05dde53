"""The reconciler's story on Elasticsearch."""

import pytest

from integration.search.reconciler_story import ReconcilerStory
from strata_stores.elastic.search_index import ElasticSearchIndex


@pytest.fixture
def index(elastic_url, elastic_prefix, shifted_clock):
    index = ElasticSearchIndex(elastic_url, shifted_clock, prefix=elastic_prefix)
    yield index
    index.close()


class TestReconciler(ReconcilerStory):
    pass

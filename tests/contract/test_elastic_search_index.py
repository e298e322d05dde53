"""The search index contract on Elasticsearch."""

import pytest

from contract.search_index_contract import SearchIndexContract
from strata_stores.clock import SystemClock
from strata_stores.elastic.search_index import ElasticSearchIndex


@pytest.fixture
def new_index(elastic_url, elastic_prefix):
    indexes = []

    def build():
        index = ElasticSearchIndex(elastic_url, SystemClock(), prefix=f"{elastic_prefix}-{len(indexes)}")
        indexes.append(index)
        return index

    yield build
    for index in indexes:
        index.close()


class TestSearchIndex(SearchIndexContract):
    pass

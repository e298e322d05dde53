"""The search index contract on Elasticsearch."""

import pytest

from contract.prepared_stores import prepared_stores
from contract.search_index_contract import SearchIndexContract
from strata_stores.clock import SystemClock
from strata_stores.elastic.search_index import ElasticSearchIndex


@pytest.fixture
def new_index(elastic_url, elastic_prefix):
    def build(number):
        return ElasticSearchIndex(elastic_url, SystemClock(), prefix=f"{elastic_prefix}-{number}")

    with prepared_stores(build) as new_index:
        yield new_index


class TestSearchIndex(SearchIndexContract):
    pass

"""The log store contract on Elasticsearch."""

import pytest

from contract.log_erasure_contract import LogErasureContract
from contract.log_isolation_contract import LogIsolationContract
from contract.log_search_contract import LogSearchContract
from contract.log_write_contract import LogWriteContract
from contract.prepared_stores import prepared_stores
from strata_stores.clock import SystemClock
from strata_stores.elastic.log_store import ElasticLogStore


@pytest.fixture
def new_store(elastic_url, elastic_prefix):
    def build(number):
        return ElasticLogStore(elastic_url, SystemClock(), prefix=f"{elastic_prefix}-{number}")

    with prepared_stores(build) as new_store:
        yield new_store


class TestWriting(LogWriteContract):
    pass


class TestSearching(LogSearchContract):
    pass


class TestErasure(LogErasureContract):
    pass


class TestIsolation(LogIsolationContract):
    pass

"""The log store contract on Elasticsearch."""

import pytest

from contract.log_erasure_contract import LogErasureContract
from contract.log_isolation_contract import LogIsolationContract
from contract.log_search_contract import LogSearchContract
from contract.log_write_contract import LogWriteContract
from strata_stores.clock import SystemClock
from strata_stores.elastic.log_store import ElasticLogStore


@pytest.fixture
def new_store(elastic_url, elastic_prefix):
    stores = []

    def build():
        store = ElasticLogStore(elastic_url, SystemClock(), prefix=f"{elastic_prefix}-{len(stores)}")
        stores.append(store)
        store.prepare()
        return store

    yield build
    for store in stores:
        store.close()


class TestWriting(LogWriteContract):
    pass


class TestSearching(LogSearchContract):
    pass


class TestErasure(LogErasureContract):
    pass


class TestIsolation(LogIsolationContract):
    pass

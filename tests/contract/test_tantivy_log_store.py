"""The log store contract on tantivy."""

import pytest

from contract.log_erasure_contract import LogErasureContract
from contract.log_isolation_contract import LogIsolationContract
from contract.log_search_contract import LogSearchContract
from contract.log_write_contract import LogWriteContract
from strata_stores.clock import SystemClock
from strata_stores.tantivy.log_store import TantivyLogStore


@pytest.fixture
def new_store(tmp_path):
    stores = []

    def build():
        store = TantivyLogStore(tmp_path / f"logs{len(stores)}", SystemClock())
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

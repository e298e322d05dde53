"""The log store contract on tantivy."""

import pytest

from contract.log_erasure_contract import LogErasureContract
from contract.log_isolation_contract import LogIsolationContract
from contract.log_search_contract import LogSearchContract
from contract.log_write_contract import LogWriteContract
from contract.prepared_stores import prepared_stores
from strata_stores.clock import SystemClock
from strata_stores.tantivy.log_store import TantivyLogStore


@pytest.fixture
def new_store(tmp_path):
    def build(number):
        return TantivyLogStore(tmp_path / f"logs{number}", SystemClock())

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

"""What several rules look at."""

import pytest

from architecture.exported_figures import exported, registries
from strata_stores.clock import SystemClock
from strata_stores.redis.doorbell import RqDoorbell
from strata_stores.spool.file_spool import FileSpool


@pytest.fixture(scope="session")
def figures(embedded_valkey, tmp_path_factory):
    """Every exported figure with its labels; `up` is Prometheus's own."""
    clock = SystemClock()
    spool = FileSpool(tmp_path_factory.mktemp("spool"), clock)
    doorbell = RqDoorbell(embedded_valkey.url(), clock, ring_key=b"k" * 32)
    try:
        return {"up": frozenset({"instance", "job"}), **exported(registries(doorbell, spool))}
    finally:
        doorbell.close()
        spool.close()

"""Stopping while a store is slow: nothing is closed under a writer that uses it."""

import threading
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from strata_core.latest.nowhere import Nowhere
from strata_datamodel.limits import MIB
from strata_ingest.bootstrap import IngestService
from waiting import eventually


class SlowWriting:
    def __init__(self):
        self.begun, self.may_go_on = threading.Event(), threading.Event()

    def __call__(self, batch):
        self.begun.set()
        self.may_go_on.wait(30)


@pytest.fixture
def slow(make_ingest):
    """A service on the spools of a world that has accepted a point, and a store that takes its time."""
    ingest = make_ingest(is_writing=False)
    assert ingest.write("m,host=a v=1").status_code == 204
    machine = ingest.machine
    for spool in machine.spools.values():
        spool.close()
    writing = machine.metric_store.poison = SlowWriting()
    stores = SimpleNamespace(
        units=machine.system_units,
        system_units=machine.system_units,
        clock=machine.clock,
        metric_store=machine.metric_store,
        cells=machine.metric_store,
        log_store=machine.log_store,
        latest_values=Nowhere(),
        rate_limiter=None,
        live_bus=None,
        breakers=(),
        relational_health=None,
    )
    settings = SimpleNamespace(
        spool_max_bytes=64 * MIB, spool_directory=machine.folder / "spool", address_requests_per_second=None
    )
    service = IngestService(stores, settings, stop_s=0.05, drain_s=0.05)
    service.start()
    assert writing.begun.wait(30)
    yield ingest, service, writing
    writing.may_go_on.set()
    eventually(service.stop)
    service.close()


def test_a_writer_that_would_not_end_keeps_its_spool(slow):
    ingest, service, writing = slow
    with capture_logs() as logs:
        assert not service.stop()
        service.close()
    assert [entry["event"] for entry in logs] == ["writers_still_busy", "spools_left_open"]
    writing.may_go_on.set()
    eventually(service.stop)
    assert ingest.machine.metric_store.count_points(ingest.acme.organization_id) == 1
    service.close()
    ingest.machine.close()
    ingest.machine.open()
    assert [spool.depth().records for spool in ingest.machine.spools.values()] == [0, 0]

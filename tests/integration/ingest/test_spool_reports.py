"""What ingest accepted is compared with what its stores say they hold."""

from datetime import timedelta

import pytest

from strata_core.search.drift import LATE_AFTER, LOSS_TOLD_FOR, drift_by_kind
from strata_datamodel.spooling import Signal
from strata_ingest.reporter import SpoolReporter
from waiting import eventually


@pytest.fixture
def reporting(make_ingest):
    """An ingest, what its metric store would say of its spool, and a reporter that is asked by hand."""
    ingest = make_ingest(is_writing=False)
    machine = ingest.machine
    said = {"committed": None}
    committed = {Signal.METRICS: lambda _: said["committed"], Signal.LOGS: lambda _: None}
    reporter = SpoolReporter(machine.spools, committed, machine.system_units)
    return ingest, said, reporter


def drift_of(ingest, reporter):
    reporter.report()
    with ingest.machine.system_units.system() as uow:
        return drift_by_kind(uow)["metrics", "spool"]


def test_what_waits_for_long_is_told_until_it_is_written(reporting):
    ingest, _, reporter = reporting
    assert ingest.write("m,host=a v=1").status_code == 204
    assert drift_of(ingest, reporter).total == 0
    ingest.machine.clock.advance(LATE_AFTER + timedelta(seconds=5))
    row = drift_of(ingest, reporter)
    assert (row.stale, row.missing, row.wanted - row.held) == (1, 0, 1)
    assert row.oldest_at is not None
    ingest.machine.spools[Signal.METRICS].acknowledge(1)
    assert drift_of(ingest, reporter).total == 0


def test_a_store_that_holds_less_than_it_said_is_told_for_a_day(reporting):
    ingest, said, reporter = reporting
    for _ in range(10):
        assert ingest.write("m,host=a v=1").status_code == 204
    ingest.machine.spools[Signal.METRICS].acknowledge(10)
    said["committed"] = 10
    assert drift_of(ingest, reporter).total == 0
    said["committed"] = 4
    assert drift_of(ingest, reporter).missing == 6
    said["committed"] = 11
    assert drift_of(ingest, reporter).missing == 6, "the next record must not hide what is gone"
    said["committed"] = None
    assert drift_of(ingest, reporter).missing == 17, "a new store holds nothing of this spool"
    ingest.machine.clock.advance(LOSS_TOLD_FOR)
    assert drift_of(ingest, reporter).total == 0


def test_a_running_ingest_reports_by_itself(reporting):
    ingest, _, _ = reporting
    machine = ingest.machine
    committed = {signal: lambda _: None for signal in Signal}
    reporter = SpoolReporter(machine.spools, committed, machine.system_units, every_s=0.01)
    reporter.start()
    reported = "SELECT FROM spool_reports"
    eventually(lambda: len(ingest.database.rows(reported)) == len(Signal), what="a report of each spool")
    assert reporter.stop(10)

"""What ingest accepted before an erasure was asked for is erased with the rest, however late it comes to its store."""

from contextlib import ExitStack
from datetime import timedelta
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from factories.point_batches import batch_of, point
from fixtures.holdings import SIGNER
from scenario.saga_kills import drive_to_end
from strata_core.erasures.commands import request_erasure
from strata_core.erasures.queries import erasure_of
from strata_core.erasures.rules import ErasureKind, Selector
from strata_core.erasures.saga import ERASURE
from strata_core.leases.commands import take_lease
from strata_core.new_ids import new_id
from strata_core.receipts.documents import document_of, is_genuine
from strata_core.rollups.rules import LEASE
from strata_core.sagas.claiming import claim_sagas
from strata_core.sagas.definitions import catalogue
from strata_datamodel.ids import BatchId
from strata_datamodel.spooling import Envelope, Signal, WireFormat
from strata_ingest.instruments import WriterInstruments
from strata_ingest.reporter import SpoolReporter
from strata_ingest.writers import metric_writer
from strata_stores.spool.file_spool import FileSpool
from strata_workers.saga_driver import SagaDriver
from waiting import eventually

HOST = Selector(ErasureKind.HOST, value="web1")


@pytest.fixture
def ingest(held, tmp_path):
    """A spool with a report of it by hand, a writer that is not started yet, and an erasure driven by hand."""
    clock = held.world.clock
    with ExitStack() as stack:
        spool = FileSpool(tmp_path / "spool", clock)
        stack.callback(spool.close)
        committed = {Signal.METRICS: held.tools.metric_store.committed_sequence}
        reporter = SpoolReporter({Signal.METRICS: spool}, committed, held.units)
        driver = SagaDriver(held.units, catalogue([ERASURE]), held.tools)

        def send(*hosts):
            with held.units.system() as uow:
                batch_ids = [BatchId(new_id(uow)) for _ in hosts]
            for batch_id, host in zip(batch_ids, hosts, strict=True):
                envelope = Envelope(
                    held.organization("acme"),
                    batch_id,
                    clock.now_ns(),
                    Signal.METRICS,
                    WireFormat.INFLUX_LINE,
                    {"precision": "ns"},
                )
                spool.append(envelope, f"late,host={host} v=1 {clock.now_ns()}".encode()).result(10)

        def write():
            writer = metric_writer(
                spool, held.tools.metric_store, held.units, clock, WriterInstruments(CollectorRegistry())
            )
            stack.callback(writer.stop)
            writer.start()
            eventually(lambda: spool.depth().records == 0, what="an empty spool")
            assert held.database.rows("SELECT reason FROM dead_letters") == []

        def step(after=timedelta(seconds=10)):
            clock.advance(after)
            with held.units.system() as uow:
                claimed = claim_sagas(uow, "test", limit=1)
            for saga in claimed:
                driver.drive(saga)

        yield SimpleNamespace(held=held, spool=spool, reporter=reporter, send=send, write=write, step=step)


def ask(held):
    ctx = held.context("acme")
    with held.app_units.organization(ctx.organization_id) as uow:
        return request_erasure(ctx, uow, HOST, reason="test")


def state_of(held, asked):
    ctx = held.context("acme")
    with held.app_units.organization(ctx.organization_id) as uow:
        return erasure_of(ctx, uow, asked.id)


def points_of_web1(held):
    return held.tools.metric_store.count_matching(held.organization("acme"), [("host", "web1")])


def test_what_waits_in_a_spool_is_erased_before_the_receipt_is_signed(held, ingest):
    ingest.send("web1", "web2")
    ingest.reporter.report()
    held.world.clock.advance(timedelta(seconds=1))
    asked = ask(held)
    for _ in range(3):
        ingest.step()
    assert points_of_web1(held) == 2, "a report from before the request says nothing of it"
    for _ in range(20):
        ingest.reporter.report()
        ingest.step(timedelta(minutes=1))
    assert state_of(held, asked).receipt is None
    assert points_of_web1(held) == 2, "while its store is away nothing is counted yet"
    ingest.write()
    ingest.reporter.report()
    ingest.step()
    document = document_of(state_of(held, asked).receipt)
    assert (document["before"]["metrics"], document["after"]["metrics"]) == (3, 0)
    assert document["spools"] == {"settled": 1, "silent": 0, "silent_spools": []}
    assert points_of_web1(held) == 0
    assert held.tools.metric_store.count_points(held.organization("acme")) == 2


def test_windows_that_a_roll_up_under_way_brings_back_are_erased_again(held, ingest):
    acme, store = held.organization("acme"), held.tools.metric_store

    def renew(holder="keeper"):
        with held.units.system() as uow:
            return take_lease(uow, "tiers.default", holder, duration=LEASE)

    asked = ask(held)
    held.world.clock.advance(timedelta(seconds=1))
    lease = renew()
    ingest.reporter.report()
    for _ in range(3):
        ingest.step()
    assert points_of_web1(held) == 0
    store.write(batch_of(acme, point(held.world.clock.now_ns(), 1.0, host="web1")))  # what it had read before
    for _ in range(3):
        ingest.step()
    assert state_of(held, asked).receipt is None, "its call may be under way"
    assert renew() == lease
    ingest.step()
    assert state_of(held, asked).receipt is not None
    assert points_of_web1(held) == 0


def test_what_comes_in_all_the_time_holds_nothing_up(held, ingest):
    ingest.send("web1", "web2")
    asked = ask(held)
    held.world.clock.advance(timedelta(seconds=1))
    ingest.reporter.report()
    ingest.step()
    ingest.spool.acknowledge(2)
    ingest.send("web2")
    ingest.reporter.report()
    ingest.step()
    assert ingest.spool.depth().records == 1
    assert state_of(held, asked).receipt is not None


def test_a_spool_that_is_not_heard_of_any_more_is_named(held, ingest):
    ingest.send("web1")
    ingest.reporter.report()
    held.world.clock.advance(timedelta(hours=5))
    asked = ask(held)
    assert drive_to_end(held.world, ERASURE, held.tools, asked.saga_id) == "done"
    receipt = state_of(held, asked).receipt
    told = document_of(receipt)["spools"]
    assert is_genuine(receipt, SIGNER)
    assert (told["settled"], told["silent"]) == (0, 1)
    assert told["silent_spools"][0]["spool_id"] == str(ingest.spool.spool_id)
    assert told["silent_spools"][0]["waiting"] == 1


def test_a_process_that_dies_before_its_spool_is_written_is_named(held, ingest):
    asked = ask(held)
    held.world.clock.advance(timedelta(seconds=1))
    ingest.send("web1")
    ingest.reporter.report()
    assert drive_to_end(held.world, ERASURE, held.tools, asked.saga_id) == "done"
    assert document_of(state_of(held, asked).receipt)["spools"]["silent"] == 1

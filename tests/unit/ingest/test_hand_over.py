"""What the edge parsed reaches the writer once, is what the record gives, and is never kept for long."""

import threading
import tracemalloc
from concurrent.futures import Future
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories.wire_envelopes import bulk_envelope, line_envelope
from strata_datamodel.errors import SpoolFullError
from strata_datamodel.ids import BatchId
from strata_datamodel.spooling import SpoolPosition, SpoolRecord
from strata_ingest.arrivals import events_of, points_of
from strata_ingest.hand_over import HandOver, Shared, events_size, points_size
from strata_stores.clock import SystemClock
from strata_stores.spool.file_spool import FileSpool
from strata_wire.bulk import parse_bulk
from strata_wire.line_protocol import parse_lines

SPOOL = UUID(int=9)
LINES = (
    "cpu,host=a user=1,system=2i",
    'cpu,host=b state="up",ok=t',
    "cpu,host=a user=3 1800000000000000000",
    "bad",
    "m v=?",
)
DOCUMENTS = (
    '{"message":"m","host":"h"}',
    '{"level":"warn","tags":{"a":"b"},"x":[1,{"y":null}]}',
    "{broken",
    '{"time":"12:30"}',
)


def envelope_of(number):
    return replace(line_envelope(), batch_id=BatchId(UUID(int=number)))


def record_of(envelope, sequence, body=b""):
    return SpoolRecord(SpoolPosition(SPOOL, sequence), envelope, body)


def appended(sequence):
    future: Future[SpoolPosition] = Future()
    future.set_result(SpoolPosition(SPOOL, sequence))
    return future


def offered(handed, number):
    envelope = envelope_of(number)
    handed.offer(envelope, b"m v=1", parse_lines(b"m v=1", envelope).batch)
    return envelope


@pytest.fixture
def handed():
    return Shared().points


@pytest.fixture(scope="module")
def spool(tmp_path_factory):
    spool = FileSpool(tmp_path_factory.mktemp("spool"), SystemClock())
    yield spool
    spool.close()


def through_the_spool(spool, envelope, body):
    """The record as the writer reads it."""
    position = spool.append(envelope, body).result(timeout=10)
    (record,) = spool.read(position.sequence - 1, max_records=1, max_bytes=1)
    spool.acknowledge(position.sequence)
    return record


@given(lines=st.lists(st.sampled_from(LINES), max_size=8), number=st.integers(1, 2**100))
def test_handed_points_are_those_of_the_record(spool, lines, number):
    shared, body = Shared(), "\n".join(lines).encode()
    envelope = replace(line_envelope(precision="ns"), batch_id=BatchId(UUID(int=number)))
    shared.points.offer(envelope, body, parse_lines(body, envelope, known=shared.series).batch)
    record = through_the_spool(spool, envelope, body)
    taken, again = shared.points.take(record), points_of(record)
    assert taken is not None
    assert (taken.organization_id, taken.series, taken.texts, taken.source) == (
        again.organization_id,
        again.series,
        again.texts,
        again.source,
    )
    for column in ("series_index", "time_ns", "values"):
        assert getattr(taken, column).dtype == getattr(again, column).dtype
        assert np.array_equal(getattr(taken, column), getattr(again, column))


@given(documents=st.lists(st.sampled_from(DOCUMENTS), max_size=6), name=st.sampled_from(["", "x"]))
def test_handed_events_are_those_of_the_record(spool, documents, name):
    shared, envelope = Shared(), bulk_envelope(index="app")
    action = f'{{"index":{{"_id":"{name}"}}}}' if name else '{"create":{}}'
    body = "".join(f"{action}\n{document}\n" for document in documents).encode()
    shared.events.offer(envelope, body, parse_bulk(body, envelope).batch)
    record = through_the_spool(spool, envelope, body)
    assert shared.events.take(record) == events_of(record)


def test_a_second_reading_of_a_record_finds_nothing(handed):
    record = record_of(offered(handed, 1), 0)
    assert handed.take(record) is not None
    assert handed.take(record) is None
    assert (len(handed), handed.held_bytes) == (0, 0)


def test_a_record_with_another_envelope_is_parsed(handed):
    envelope = offered(handed, 1)
    assert handed.take(record_of(replace(envelope, received_at_ns=1), 0)) is None


@pytest.mark.parametrize(
    "order", ["settle take pass_by", "take settle pass_by", "take pass_by settle", "pass_by settle"]
)
def test_in_whatever_order_edge_and_writer_come_nothing_stays(handed, order):
    envelope = offered(handed, 1)
    steps = {
        "settle": lambda: handed.settle(envelope.batch_id, appended(5)),
        "take": lambda: handed.take(record_of(envelope, 5)),
        "pass_by": lambda: handed.pass_by(5),
    }
    for step in order.split():
        steps[step]()
    assert (len(handed), handed.held_bytes, len(handed._sequences)) == (0, 0, 0)


def test_what_the_writer_never_reads_goes_when_it_has_passed_by(handed):
    envelopes = [offered(handed, number) for number in range(4)]
    for sequence, envelope in enumerate(envelopes):
        handed.settle(envelope.batch_id, appended(sequence))
    handed.pass_by(2)
    assert len(handed) == 1
    assert handed.take(record_of(envelopes[3], 3)) is not None


def test_what_the_spool_refused_goes(handed):
    envelope = offered(handed, 1)
    failed: Future[SpoolPosition] = Future()
    failed.set_exception(SpoolFullError("full"))
    handed.settle(envelope.batch_id, failed)
    handed.withdraw(offered(handed, 2).batch_id)
    assert (len(handed), handed.held_bytes) == (0, 0)


def test_offers_beyond_its_bytes_are_not_kept_and_there_is_room_again_after_a_take():
    handed = HandOver(points_size, limit_bytes=10_000)
    envelopes = [offered(handed, number) for number in range(100)]
    assert 0 < len(handed) < 100
    assert handed.held_bytes <= 10_000
    found = [handed.take(record_of(envelope, 0)) for envelope in envelopes]
    assert sum(batch is not None for batch in found) == handed.taken < 100
    assert handed.held_bytes == 0
    offered(handed, 200)
    assert len(handed) == 1


def test_threads_that_offer_and_take_at_once_neither_lose_nor_double_a_batch(handed):
    envelopes = [envelope_of(number) for number in range(2_000)]
    taken = []

    def take():
        for sequence, envelope in enumerate(envelopes):
            batch = None
            while batch is None:
                batch = handed.take(record_of(envelope, sequence))
            taken.append(envelope.batch_id)
            handed.pass_by(sequence)

    taker = threading.Thread(target=take)
    taker.start()
    for sequence, envelope in enumerate(envelopes):
        handed.offer(envelope, b"m v=1", parse_lines(b"m v=1", envelope).batch)
        handed.settle(envelope.batch_id, appended(sequence))
    taker.join(30)
    assert taken == [envelope.batch_id for envelope in envelopes]
    assert (len(handed), handed.held_bytes, len(handed._sequences)) == (0, 0, 0)


@pytest.mark.parametrize(
    "document",
    [
        '{"message":"GET /index.html 200","host":"web-1","service":"shop","level":"info","took":12.5,"user":"u-17"}',
        '{"message":"m","a":[' + ",".join(["[]"] * 300) + "]}",
        '{"message":"m","a":{' + ",".join(f'"{number}":{{}}' for number in range(300)) + "}}",
        '{"message":"m","a":[' + ",".join(f"{number}.5" for number in range(300)) + "]}",
        "{}",
    ],
)
def test_events_are_weighed_at_no_less_than_they_take(document):
    body = f'{{"index":{{}}}}\n{document}\n'.encode() * 100
    tracemalloc.start()
    try:
        batch = parse_bulk(body, bulk_envelope()).batch
        taken_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken_bytes <= events_size(body, batch)


def test_points_are_weighed_at_no_less_than_they_take():
    body = "\n".join(f'cpu,host=h{n} user=1.5,system=2,state="s{n}"' for n in range(2_000)).encode()
    tracemalloc.start()
    try:
        batch = parse_lines(body, line_envelope(), known=Shared().series).batch
        taken_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken_bytes <= points_size(body, batch)

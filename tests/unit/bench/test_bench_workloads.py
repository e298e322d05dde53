"""What the benchmark sends is what it later expects to find and what it feeds to the bare stores."""

from datetime import UTC, datetime

import pytest
from bench.workloads.documents import DocumentWorkload
from bench.workloads.points import AGENT_TAG, FIELDS, HOST_TAG, MEASUREMENT, PointWorkload

from factories.wire_envelopes import bulk_envelope, line_envelope
from strata_wire.bulk import parse_bulk
from strata_wire.decompression import decompress
from strata_wire.line_protocol import parse_lines

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _sent(workload: PointWorkload, connection: int, number: int) -> list[tuple[object, ...]]:
    coding = "gzip" if workload.is_gzipped else "identity"
    received_at_ns = (workload.start_s + 3_600) * 1_000_000_000
    parsed = parse_lines(
        decompress(workload.body(connection, number), coding), line_envelope(received_at_ns=received_at_ns)
    )
    assert parsed.accepted == workload.lines_per_body
    assert parsed.rejections == 0
    batch = parsed.batch
    rows = zip(batch.series_index.tolist(), batch.time_ns.tolist(), batch.values.tolist(), strict=True)
    return [(batch.series[index], time_ns, value) for index, time_ns, value in rows]


@pytest.mark.parametrize("is_gzipped", [True, False])
def test_the_bare_store_is_fed_exactly_the_points_of_the_body(is_gzipped):
    workload = PointWorkload(int(START.timestamp()), hosts_per_agent=7, seconds_per_body=5, is_gzipped=is_gzipped)
    sent = _sent(workload, 3, 2)
    fed = workload.columns(3, 2).to_pydict()
    numbers = {}
    for (key, time_ns, value), sid, fed_ns, fed_value in zip(sent, fed["sid"], fed["ts_ns"], fed["v"], strict=True):
        assert (time_ns, value) == (fed_ns, fed_value)
        assert numbers.setdefault(key, sid) == sid
    assert len(set(numbers.values())) == len(numbers) == 7 * len(FIELDS)
    assert {key.measurement for key in numbers} == {MEASUREMENT}
    assert {len(key.tags) for key in numbers} == {4}


def test_connections_and_bodies_share_no_point():
    workload = PointWorkload(int(START.timestamp()), connections=2, hosts_per_agent=3, seconds_per_body=4)
    points = [(key, time_ns) for c in range(2) for n in range(3) for key, time_ns, _ in _sent(workload, c, n)]
    assert len(set(points)) == len(points) == 2 * 3 * workload.points_per_body


def test_an_agents_tags_say_which_hosts_are_its_own():
    workload = PointWorkload(int(START.timestamp()), hosts_per_agent=2, seconds_per_body=1)
    tags = [dict(key.tags) for key, _, _ in _sent(workload, 4, 0)]
    assert {tag[AGENT_TAG] for tag in tags} == {"a4"}
    assert {tag[HOST_TAG] for tag in tags} == {"h0008", "h0009"}


def test_every_document_is_taken_and_has_a_number_and_a_time_of_its_own():
    workload = DocumentWorkload(START, connections=2, documents_per_body=50, bodies_per_connection=3)
    seen = []
    for connection in range(2):
        for number in range(3):
            parsed = parse_bulk(workload.body(connection, number), bulk_envelope())
            assert parsed.rejections == 0
            sequences = [event.metadata["seq"] for event in parsed.batch.events]
            assert sequences == list(workload.sequences(connection, number))
            second_ns = (int(START.timestamp()) + number) * 1_000_000_000
            times = [event.timestamp_ns for event in parsed.batch.events]
            assert second_ns <= min(times) <= max(times) < second_ns + 1_000_000_000
            seen += sequences
    assert len(set(seen)) == len(seen) == 300

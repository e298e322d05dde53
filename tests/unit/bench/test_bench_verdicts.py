"""A run that lost, doubled or changed anything has no figures."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from bench.failure import BenchError
from bench.rows.returned_documents import check_documents
from bench.rows.returned_points import check_points
from bench.workloads.documents import DocumentWorkload
from bench.workloads.points import HOST_TAG, PointWorkload

from factories.wire_envelopes import line_envelope
from strata_wire.line_protocol import parse_lines

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
POINTS = PointWorkload(int(START.timestamp()), connections=2, hosts_per_agent=3, seconds_per_body=4, is_gzipped=False)
DOCUMENTS = DocumentWorkload(START, connections=2, documents_per_body=10, bodies_per_connection=5)


class PointsThatCameIn:
    """Answers like the API: a window a second."""

    def __init__(self, bodies: int) -> None:
        self.rows = []
        received = line_envelope(received_at_ns=(POINTS.start_s + 3_600) * 1_000_000_000)
        for connection in range(POINTS.connections):
            for number in range(bodies):
                batch = parse_lines(POINTS.body(connection, number), received).batch
                for index, time_ns, value in zip(batch.series_index, batch.time_ns, batch.values, strict=True):
                    key = batch.series[index]
                    self.rows.append((key.field, dict(key.tags), int(time_ns) // 1_000_000, float(value)))

    def ask(self, path, question):
        assert path == "metrics/query"
        ((tag, wanted),) = [(f["tag"], f["value"]) for f in question["filters"]]
        windows = defaultdict(lambda: defaultdict(list))
        for field, tags, time_ms, value in self.rows:
            if field == question["field"] and tags[tag] == wanted and question["from"] <= time_ms < question["to"]:
                windows[tags[HOST_TAG]][time_ms].append(value)
        fold = {"count": len, "sum": sum}[question["aggregate"]]
        return {
            "series": [
                {"tags": {HOST_TAG: host}, "points": [[time_ms, fold(times[time_ms])] for time_ms in sorted(times)]}
                for host, times in windows.items()
            ]
        }


def test_all_points_once_are_accepted():
    check_points(PointsThatCameIn(3).ask, POINTS, 3)


@pytest.mark.parametrize("place", [0, 17, -1])
def test_a_missing_a_doubled_and_a_changed_point_are_refused(place):
    for damage in ("missing", "doubled", "changed"):
        came_in = PointsThatCameIn(3)
        row = came_in.rows[place]
        if damage != "doubled":
            came_in.rows.remove(row)
        if damage != "missing":
            came_in.rows.append((*row[:3], row[3] if damage == "doubled" else row[3] + 0.01))
        with pytest.raises(BenchError, match="not what was sent"):
            check_points(came_in.ask, POINTS, 3)


def test_a_missing_host_is_refused():
    came_in = PointsThatCameIn(2)
    came_in.rows = [row for row in came_in.rows if row[1][HOST_TAG] != "h0004"]
    with pytest.raises(BenchError, match="2 hosts came back, not 3"):
        check_points(came_in.ask, POINTS, 2)


class DocumentsThatCameIn:
    """Answers like the API, seven to a page."""

    def __init__(self, bodies: int) -> None:
        self.sequences = [
            (START + timedelta(seconds=number), seq)
            for number in range(bodies)
            for connection in range(DOCUMENTS.connections)
            for seq in DOCUMENTS.sequences(connection, number)
        ]

    def ask(self, path, question):
        assert path == "logs/search"
        begin, end = datetime.fromisoformat(question["from"]), datetime.fromisoformat(question["to"])
        found = [seq for at, seq in self.sequences if begin <= at < end]
        start = int(question.get("cursor", 0))
        return {
            "items": [{"metadata": {"seq": seq}} for seq in found[start : start + 7]],
            "next_cursor": str(start + 7) if start + 7 < len(found) else None,
        }


def test_all_documents_once_are_accepted():
    check_documents(DocumentsThatCameIn(3).ask, DOCUMENTS, 3)


def test_a_missing_and_a_doubled_document_are_refused():
    lost, doubled = DocumentsThatCameIn(3), DocumentsThatCameIn(3)
    del lost.sequences[23]
    doubled.sequences.append(doubled.sequences[41])
    with pytest.raises(BenchError, match="1 documents are missing, 0 are there too often"):
        check_documents(lost.ask, DOCUMENTS, 3)
    with pytest.raises(BenchError, match="0 documents are missing, 1 are there too often"):
        check_documents(doubled.ask, DOCUMENTS, 3)

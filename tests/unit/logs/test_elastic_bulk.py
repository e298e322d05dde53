"""What each answer to an item of a bulk request leads to."""

import pytest

from strata_datamodel.errors import StoreRefusedError, StoreUnavailableError
from strata_stores.elastic.bulk import CHUNK_BYTES, Item, send_all


class Cluster:
    """Answers each request with what its script says of each item's document; 201 unless it says so."""

    def __init__(self, *script):
        self.script = list(script)
        self.requests = []
        self.pauses = []

    def send(self, lines):
        self.requests.append(lines[1::2])
        answers = self.script.pop(0) if self.script else {}
        if isinstance(answers, Exception):
            raise answers
        return [{"create": answers.get(document.decode(), {"status": 201})} for document in lines[1::2]]

    def pause(self, seconds):
        self.pauses.append(seconds)


def error(status, kind="x_exception", reason="because"):
    return {"status": status, "error": {"type": kind, "reason": reason}}


def items(*documents):
    return [Item(place * 10, b"{}", document.encode()) for place, document in enumerate(documents)]


def test_only_items_turned_away_are_sent_again_after_a_growing_pause():
    busy = {"b": error(429, "es_rejected_execution_exception"), "d": error(503)}
    cluster = Cluster(busy, {"d": error(503)})
    assert send_all(items("a", "b", "c", "d"), cluster.send, cluster.pause) == []
    assert cluster.requests == [[b"a", b"b", b"c", b"d"], [b"b", b"d"], [b"d"]]
    assert 0.1 <= cluster.pauses[0] <= 0.3
    assert 0.2 <= cluster.pauses[1] <= 0.6


def test_items_turned_away_too_often_make_the_store_unavailable():
    cluster = Cluster(*[{"b": error(429)}] * 10)
    with pytest.raises(StoreUnavailableError, match="1 items turned away 4 times"):
        send_all(items("a", "b"), cluster.send, cluster.pause)
    assert len(cluster.requests) == 4


def test_while_some_get_in_the_others_are_sent_again():
    names = [chr(ord("a") + number) for number in range(8)]
    script = [{name: error(429) for name in names[number:]} for number in range(1, 8)]
    cluster = Cluster(*script)
    assert send_all(items(*names), cluster.send, cluster.pause) == []
    assert [len(request) for request in cluster.requests] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert max(cluster.pauses) <= 2.4


def test_items_already_there_are_done_and_refused_ones_are_told():
    parsing = error(400, "document_parsing_exception", "no number") | {}
    parsing["error"]["caused_by"] = {"reason": "For input string"}
    cluster = Cluster({"a": error(409), "b": parsing, "c": error(413, "too_large")})
    rejected = send_all(items("a", "b", "c", "d"), cluster.send, cluster.pause)
    assert [(one.index, one.reason) for one in rejected] == [
        (10, "document_parsing_exception: no number (For input string)"),
        (20, "too_large: because"),
    ]
    assert len(cluster.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        error(400, "validation_exception", "maximum normal shards open"),
        error(400, "index_closed_exception"),
        error(403, "cluster_block_exception"),
        error(429, "cluster_block_exception", "disk usage exceeded flood-stage watermark"),
        error(403, "security_exception"),
        error(404, "index_not_found_exception"),
        error(500),
    ],
)
def test_what_is_about_the_cluster_never_rejects_an_event(answer):
    cluster = Cluster({"b": answer})
    with pytest.raises(StoreUnavailableError):
        send_all(items("a", "b"), cluster.send, cluster.pause)
    assert len(cluster.requests) == 1


def test_a_request_too_large_for_a_proxy_is_halved_until_it_fits():
    too_large = StoreRefusedError("elasticsearch", "413 too large")
    cluster = Cluster(too_large, too_large, {}, too_large)
    rejected = send_all(items("a", "b", "c", "d"), cluster.send, cluster.pause)
    assert cluster.requests == [[b"a", b"b", b"c", b"d"], [b"a", b"b"], [b"a"], [b"b"], [b"c", b"d"]]
    assert [one.index for one in rejected] == [10]


def test_an_answer_with_items_missing_is_not_believed():
    with pytest.raises(StoreUnavailableError, match="0 answers to 2"):
        send_all(items("a", "b"), lambda lines: [], lambda seconds: None)


def test_requests_stay_under_their_size():
    cluster = Cluster()
    assert send_all(items(*("x" * 3_000_000 for _ in range(5))), cluster.send, cluster.pause) == []
    assert [len(request) for request in cluster.requests] == [2, 2, 1]
    assert all(sum(map(len, request)) <= CHUNK_BYTES for request in cluster.requests)

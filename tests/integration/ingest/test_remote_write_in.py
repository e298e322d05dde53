"""Prometheus remote write in on the wire, points in the store, and answers that tell a sender what to do."""

import uuid

import pytest

from factories.remote_write import (
    CONTENT_TYPE_1,
    CONTENT_TYPE_2,
    STALE,
    Request2,
    compressed,
    double,
    integer,
    message,
    packed,
    sample,
    series_1,
    span,
)
from fixtures.ingest import DAY_NS
from strata_core.ports.rate_limiter import Bucket, Taken
from strata_datamodel.errors import InvalidError
from strata_datamodel.limits import MIB
from strata_datamodel.metrics import Aggregate, MetricQuery
from strata_datamodel.spooling import Signal
from strata_ingest.replaying import Replayer
from strata_stores.null.rate_limiter import NullRateLimiter

PATHS = ("/api/v1/write", "/api/v1/push")


@pytest.fixture
def name():
    """A metric of the test's own."""
    return f"m{uuid.uuid4().hex}"


def send(ingest, body, version=1, path=PATHS[0], **headers):
    content_type = CONTENT_TYPE_1 if version == 1 else CONTENT_TYPE_2
    sent = {
        "authorization": f"Bearer {ingest.acme.key}",
        "content-encoding": "snappy",
        "content-type": content_type,
        "x-prometheus-remote-write-version": "0.1.0" if version == 1 else "2.0.0",
    }
    content = {key.replace("_", "-"): value for key, value in headers.items()}
    wanted = {key: value for key, value in {**sent, **content}.items() if value is not None}
    return ingest.client.post(path, content=body, headers=wanted)


def now_ms(ingest):
    return ingest.machine.clock.now_ns() // 10**6


def counted(ingest, measurement, field="value", sender=None):
    """Points by host, once they are in the store."""
    ingest.machine.drain()
    now_ns = ingest.machine.clock.now_ns()
    answer = ingest.machine.metric_store.query(
        MetricQuery(
            (sender or ingest.acme).organization_id,
            measurement,
            field,
            Aggregate.COUNT,
            now_ns - 8 * DAY_NS,
            now_ns + DAY_NS,
            group_by=("host",),
        )
    )
    return {series.tags.get("host", ""): series.points[-1][1] for series in answer.series}


def body_of(version, labels_and_samples):
    if version == 1:
        return b"".join(series_1(labels, *samples) for labels, samples in labels_and_samples)
    request = Request2()
    for labels, samples in labels_and_samples:
        request.add(labels, *samples)
    return request.body


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("path", PATHS)
def test_every_sample_that_was_acknowledged_is_found_once(shared_ingest, name, version, path):
    at = now_ms(shared_ingest)
    body = body_of(
        version,
        [
            ({"__name__": name, "host": f"h{host}"}, [sample(host, at - 1000 * step) for step in range(1, 8)])
            for host in range(300)
        ],
    )
    for _ in range(2):  # a sender that repeats what was taken doubles nothing
        response = send(shared_ingest, compressed(body), version, path)
        assert (response.status_code, response.content) == (204, b"")
    assert ("x-prometheus-remote-write-samples-written" in response.headers) == (version == 2)
    assert counted(shared_ingest, name) == {f"h{host}": 7 for host in range(300)}
    assert shared_ingest.points(name, "value") == {f"h{host}": host for host in range(300)}
    assert counted(shared_ingest, name, sender=shared_ingest.globex) == {}


def test_what_was_written_is_said_to_senders_of_version_2(shared_ingest, name):
    at = now_ms(shared_ingest)
    histogram = integer(1, 3) + double(3, 4.5) + integer(15, at) + message(11, span(0, 2)) + packed(12, [2, 2])
    samples = [sample(1, at), sample(2, at - 1), message(3, histogram)]
    response = send(shared_ingest, compressed(body_of(2, [({"__name__": name, "host": "a"}, samples)])), 2)
    written = {kind: response.headers[f"x-prometheus-remote-write-{kind}-written"] for kind in KINDS}
    assert (response.status_code, written) == (204, {"samples": "2", "histograms": "1", "exemplars": "0"})
    assert shared_ingest.points(name, "count") == {"a": 3}
    assert shared_ingest.points(name, "sum") == {"a": 4.5}


KINDS = ("samples", "histograms", "exemplars")


@pytest.mark.parametrize("version", [1, 2])
def test_good_samples_beside_bad_ones_are_kept_and_the_bad_ones_are_named(shared_ingest, name, version):
    at = now_ms(shared_ingest)
    body = body_of(
        version,
        [
            ({"__name__": name, "host": "a"}, [sample(1, at), sample(2, at - 8 * 86_400_000)]),
            ({"host": "nameless"}, [sample(3, at)]),
            ({"__name__": name, "host": "b"}, [sample(4, at), sample(5, at + 3_600_000)]),
        ],
    )
    response = send(shared_ingest, compressed(body), version)
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/plain")
    for part in (f'{name}{{host="a"}}: timestamp is more than 7 days old', "no label __name__", "in the future"):
        assert part in response.text
    if version == 2:
        assert response.headers["x-prometheus-remote-write-samples-written"] == "2"
    assert shared_ingest.points(name, "value") == {"a": 1, "b": 4}
    assert counted(shared_ingest, name) == {"a": 1, "b": 1}


def test_what_is_no_number_is_kept_and_not_counted_as_one(shared_ingest, name):
    at = now_ms(shared_ingest)
    values = [1.5, float("nan"), float("inf"), STALE]
    body = series_1({"__name__": name, "host": "a"}, *(sample(value, at + n) for n, value in enumerate(values)))
    before = shared_ingest.count_points()
    assert send(shared_ingest, compressed(body)).status_code == 204
    assert shared_ingest.count_points() == before + 4
    assert counted(shared_ingest, name) == {"a": 1}
    assert shared_ingest.points(name, "value") == {"a": 1.5}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": None, "content_encoding": None}, 204),
        ({"content_type": f"{CONTENT_TYPE_1}; proto=prometheus.WriteRequest"}, 204),
        ({"content_type": "application/json"}, 415),
        ({"content_type": f"{CONTENT_TYPE_1};proto=io.prometheus.write.v3.Request"}, 415),
        ({"content_encoding": "zstd"}, 415),
        ({"content_encoding": "gzip"}, 415),
        ({"authorization": None}, 401),
        ({"authorization": "Bearer wrong"}, 401),
    ],
)
def test_headers_are_judged_as_prometheus_judges_them(shared_ingest, name, headers, status):
    body = compressed(series_1({"__name__": name}, sample(1, now_ms(shared_ingest))))
    response = send(shared_ingest, body, **headers)
    assert response.status_code == status
    assert counted(shared_ingest, name) == ({"": 1} if status == 204 else {})
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not snappy at all", 400),
        (compressed(b"no protobuf"), 400),
        (compressed(series_1({"__name__": "m"}, sample(1, 1)))[:-3], 400),
        (b"\xff\xff\xff\xff\x0f" + bytes(100), 413),
        (b"\x80\x80\x80\x80\x80\x80" + bytes(100), 400),
        (compressed(bytes(50 * MIB)), 400),
        (b"\x80\x80\x80\x10" + bytes(2_000), 413),
    ],
    ids=["empty", "no snappy", "no protobuf", "cut", "says 4 GiB", "endless length", "zeros", "says 32 MiB in 2 kB"],
)
def test_a_body_that_cannot_be_read_is_refused_whole(shared_ingest, body, status):
    accepted = shared_ingest.machine.counted("strata_ingest_accepted_total")
    response = send(shared_ingest, body, 2)
    assert (response.status_code, response.headers["x-prometheus-remote-write-samples-written"]) == (status, "0")
    assert shared_ingest.machine.counted("strata_ingest_accepted_total") == accepted


def test_what_is_spooled_is_read_again_to_the_same_points(make_ingest):
    ingest = make_ingest(is_writing=False)
    at = now_ms(ingest)
    for version in (1, 2):
        sent = [({"__name__": f"m{version}", "host": "a"}, [sample(version, at), sample(STALE, at + 1)])]
        assert send(ingest, compressed(body_of(version, sent)), version).status_code == 204
    assert ingest.machine.spools[Signal.METRICS].depth().records == 2
    ingest.machine.close()
    ingest.machine.open()
    ingest.machine.start_writers()
    assert [ingest.points(f"m{version}", "value") for version in (1, 2)] == [{"a": 1}, {"a": 2}]
    assert (ingest.count_points(), ingest.count_points(ingest.globex)) == (4, 0)


def test_a_body_that_could_not_be_landed_is_replayed_from_its_letter(ingest):
    ingest.machine.metric_store.poison = lambda _: InvalidError("cannot be landed")
    body = compressed(body_of(2, [({"__name__": "up", "host": "a"}, [sample(1, now_ms(ingest))])]))
    assert send(ingest, body, 2).status_code == 204
    ingest.machine.drain()
    (letter,) = ingest.database.rows("SELECT * FROM dead_letters")
    assert bytes(letter["content"]) == body
    ingest.machine.metric_store.poison = lambda _: None
    ingest.database.run("UPDATE dead_letters SET state = 'replaying', replay_until = NULL")
    assert Replayer(ingest.machine.system_units, ingest.machine.spools, ingest.machine.clock).step() == 1
    assert ingest.points("up", "value") == {"a": 1}


def test_a_full_spool_is_no_reason_to_drop_anything(make_ingest):
    ingest = make_ingest(is_writing=False, max_bytes=20_000)
    at = now_ms(ingest)
    body = compressed(b"".join(series_1({"__name__": f"m{uuid.uuid4()}"}, sample(1, at)) for _ in range(100)))
    responses = [send(ingest, body) for _ in range(8)]
    assert (responses[0].status_code, responses[-1].status_code) == (204, 503)
    assert responses[-1].headers["retry-after"].isdigit()


class _Exhausted(NullRateLimiter):
    def take_at_once(self, bucket: Bucket, cost: float = 1.0) -> Taken:
        return Taken(is_allowed=False, remaining=0.0, reset_s=3.0, retry_after_s=3.0)


def test_a_limit_of_rate_is_no_reason_to_drop_anything(make_ingest):
    ingest = make_ingest(is_writing=False, limiter=_Exhausted())
    response = send(ingest, compressed(series_1({"__name__": "up"}, sample(1, now_ms(ingest)))))
    assert (response.status_code, response.headers["retry-after"]) == (503, "3")

"""Bodies that are made to harm: refused in bounded memory, and nobody else notices."""

import gzip
import zlib
from pathlib import Path

import pytest

from strata_datamodel.limits import INGEST_BODY_BYTES, MIB

DEEP = b"[" * 10_000 + b"]" * 10_000


def trickle():
    for _ in range(INGEST_BODY_BYTES // MIB + 1):
        yield bytes(MIB)


BODIES = {
    "gzip bomb": ("/api/v2/write", {"content-encoding": "gzip"}, lambda: gzip.compress(bytes(80 * MIB)), 413),
    "deflate bomb": ("/write", {"content-encoding": "deflate"}, lambda: zlib.compress(bytes(80 * MIB)), 413),
    "a million fields": ("/api/v2/write", {}, lambda: b"m " + b",".join(b"f%d=1" % n for n in range(10**6)), 400),
    "a million lines": ("/api/v2/write", {}, lambda: b"m v=1\n" * 10**6, 413),
    "deep push": ("/api/v1/metrics", {}, lambda: b'{"metrics":[%b]}' % DEEP, 400),
    "deep collectd": ("/collectd", {}, lambda: DEEP, 400),
    "endless chunks": ("/api/v2/write", {}, trickle, 413),
}


def memory_mib(kind):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(kind)).split()[1]) / 1024


@pytest.mark.parametrize("kind", BODIES)
def test_fault_47_a_hostile_body_is_refused_in_bounded_memory_and_its_neighbour_writes_on(shared_ingest, kind):
    path, headers, make, status = BODIES[kind]
    content = make()
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark begins anew
    before = memory_mib("VmRSS")
    answer = shared_ingest.client.post(path, content=content, headers={**shared_ingest.acme.token, **headers})
    assert answer.status_code == status, answer.text[:200]
    assert memory_mib("VmHWM") - before < 300
    host = kind.replace(" ", "-")
    assert shared_ingest.write(f"quiet,host={host} v=1", shared_ingest.globex).status_code == 204
    assert shared_ingest.count_points() == 0
    assert shared_ingest.points("quiet", sender=shared_ingest.globex)[host] == 1


@pytest.mark.parametrize("time_ns", [0, 1, -1, (1 << 63) - 2])
def test_fault_49_points_of_1970_and_2262_are_refused_by_line_and_leave_nothing(shared_ingest, time_ns):
    answer = shared_ingest.write(f"far,host=a v=1 {time_ns}\nnear,host=b v=1\n", shared_ingest.globex)
    assert answer.status_code == 422
    assert "points beyond retention policy dropped=1" in answer.json()["message"]
    assert shared_ingest.points("near", sender=shared_ingest.globex) == {"b": 1}
    found = shared_ingest.database.rows("SELECT measurement FROM metric_series WHERE measurement = 'far'")
    assert found == []


def test_fault_16_lines_that_are_bad_in_every_way_are_named_and_all_good_ones_stored(ingest):
    now_ns = ingest.machine.clock.now_ns()
    lines = [
        "m,host=a v=1",
        'm,host=a v="another type"',
        f"m,host=a v=2 {now_ns - 8 * 86_400 * 10**9}",
        f"m,host=a v=2 {now_ns + 3_600 * 10**9}",
        "m,host=a v=oops",
        "m,host=b v=3",
    ]
    answer = ingest.write("\n".join(lines))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    for number in (3, 4, 5):
        assert f"line {number}: " in answer.json()["message"]
    assert "dropped=3 written=3" in answer.json()["message"]
    assert ingest.points("m")["b"] == 3
    assert ingest.count_points() == 3


def test_fault_17_a_field_that_one_organization_sends_as_text_another_sends_as_numbers(ingest):
    assert ingest.write('m,host=a usage="high"').status_code == 204
    assert ingest.write("m,host=a usage=0.5", ingest.globex).status_code == 204
    assert ingest.points("m", "usage") == {"a": "high"}
    assert ingest.points("m", "usage", sender=ingest.globex) == {"a": 0.5}

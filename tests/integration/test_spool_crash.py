"""Owners killed in mid-write, disks that refuse, and a second owner."""

import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from factories.envelopes import envelope
from fakes.failing_disk import FailingDisk
from fakes.manual_clock import ManualClock
from fakes.spool_writer import body
from strata_datamodel.errors import ConflictError, SpoolFullError, StoreUnavailableError
from strata_datamodel.spooling import SpoolRecord
from strata_stores.clock import SystemClock
from strata_stores.spool.file_spool import FileSpool
from strata_stores.spool.segment import segment_paths

TESTS = Path(__file__).parents[1]
PATIENCE_S = 10
ROUNDS = 10


def run_writer(*arguments: str) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    program = [sys.executable, str(TESTS / "fakes" / "spool_writer.py"), *arguments]
    return subprocess.Popen(program, stdout=subprocess.PIPE, env=environment)


def killed_after(directory: Path, round_: int, lines: int) -> dict[int, tuple[int, int, int]]:
    """What the writer said was durable: sequence → what was appended. It is killed once it said `lines` of them."""
    with run_writer(str(directory), str(round_)) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.readlines()
        writer.wait(PATIENCE_S)
    assert writer.returncode == -signal.SIGKILL
    whole = [re.fullmatch(rb"(\d+) (\d+) (\d+) (\d+)\n", line) for line in said]
    facts = [tuple(map(int, match.groups())) for match in whole if match]
    return {sequence: (a, b, c) for sequence, a, b, c in facts}


def read_all(spool: FileSpool) -> list[SpoolRecord]:
    found: list[SpoolRecord] = []
    while more := spool.read(found[-1].position.sequence if found else 0, max_records=500, max_bytes=1 << 20):
        found += more
    return found


def test_fault_21_what_was_acknowledged_to_appenders_survives_kill_9_once_and_in_order(tmp_path: Path) -> None:
    draw = random.Random(20260301)
    known: dict[int, tuple[int, int, int]] = {}
    for round_ in range(ROUNDS):
        told = killed_after(tmp_path, round_, draw.randrange(1, 600))
        assert not told.keys() & known.keys(), "a sequence was handed out twice"
        known |= told
        spool = FileSpool(tmp_path, SystemClock(), segment_bytes=200_000, min_free_bytes=0)
        records = {record.position.sequence: record for record in read_all(spool)}
        assert list(records) == sorted(records)
        expected = {sequence: what for sequence, what in known.items() if sequence > spool.acknowledged}
        assert records.keys() >= expected.keys()
        for sequence, (a, b, c) in expected.items():
            assert records[sequence].body == body(a, b, c)
            assert records[sequence].envelope == envelope(c)
        stored = [record.body for record in records.values()]
        assert len(stored) == len(set(stored)), "an append was stored twice"
        assert spool.damaged_records() == 0
        spool.close()


def test_a_limit_of_the_kernel_on_file_sizes_refuses_and_leaves_no_trace(tmp_path: Path) -> None:
    with run_writer(str(tmp_path), "0", "20000") as writer:
        out, _ = writer.communicate(timeout=60)
    refused, is_same, taken = out.decode().splitlines()[-1].split()  # log lines come before
    assert int(refused) > 0
    assert int(refused) + int(taken) == 50
    assert is_same == "True"
    spool = FileSpool(tmp_path, SystemClock(), min_free_bytes=0)
    assert len(read_all(spool)) == int(taken)
    assert spool.damaged_records() == 0
    spool.close()


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    first = FileSpool(tmp_path, SystemClock(), min_free_bytes=0)
    with pytest.raises(ConflictError, match=f"in use by process {os.getpid()}$") as refused:
        FileSpool(tmp_path, SystemClock())
    assert refused.value.code == "spool_in_use"
    assert refused.value.hint
    first.append(envelope(), b"unharmed").result(PATIENCE_S)
    first.close()
    FileSpool(tmp_path, SystemClock()).close()


@pytest.fixture
def disk() -> FailingDisk:
    return FailingDisk()


def spool_on(disk: FailingDisk, directory: Path, clock: ManualClock | None = None) -> FileSpool:
    return FileSpool(directory, clock or ManualClock(), segment_bytes=5_000, min_free_bytes=1_000, disk=disk)


def put(spool: FileSpool, *bodies: bytes) -> None:
    for future in [spool.append(envelope(), content) for content in bodies]:
        future.result(PATIENCE_S)


def bodies_after_restart(spool: FileSpool, directory: Path) -> list[bytes]:
    spool.close()
    again = FileSpool(directory, SystemClock(), min_free_bytes=0)
    found = [record.body for record in read_all(again)]
    assert again.damaged_records() == 0
    again.close()
    return found


@pytest.mark.parametrize("room", [0, 1, 40, 41, 150, 300, 900])
def test_a_write_that_finds_the_disk_full_never_becomes_readable(tmp_path: Path, disk: FailingDisk, room: int) -> None:
    spool = spool_on(disk, tmp_path)
    put(spool, b"before")
    disk.room = room
    with pytest.raises(SpoolFullError):
        put(spool, b"lost" * 300)
    assert [record.body for record in read_all(spool)] == [b"before"]
    assert spool.depth().records == 1
    disk.room = None
    put(spool, b"after")
    assert bodies_after_restart(spool, tmp_path) == [b"before", b"after"]


def test_a_failed_fsync_fails_the_append_and_the_next_goes_to_a_new_file(tmp_path: Path, disk: FailingDisk) -> None:
    spool = spool_on(disk, tmp_path)
    put(spool, b"before")
    disk.fails_sync = True
    with pytest.raises(StoreUnavailableError):
        put(spool, b"lost")
    disk.fails_sync = False
    put(spool, b"after")
    assert len(segment_paths(tmp_path)) == 2
    assert bodies_after_restart(spool, tmp_path) == [b"before", b"after"]


def test_a_failed_append_stays_away_over_a_restart_right_after_it(tmp_path: Path, disk: FailingDisk) -> None:
    spool = spool_on(disk, tmp_path)
    put(spool, b"before")
    disk.fails_sync = True
    with pytest.raises(StoreUnavailableError):
        put(spool, b"lost")
    assert bodies_after_restart(spool, tmp_path) == [b"before"]


def test_nothing_is_written_behind_a_rest_that_could_not_be_cut_off(tmp_path: Path, disk: FailingDisk) -> None:
    spool = spool_on(disk, tmp_path)
    put(spool, b"before")
    disk.fails_sync = disk.fails_truncate = True
    with pytest.raises(StoreUnavailableError):
        put(spool, b"lost")
    disk.fails_sync = False
    with pytest.raises(StoreUnavailableError):
        put(spool, b"lost too")
    assert [record.body for record in read_all(spool)] == [b"before"]
    disk.fails_truncate = False
    put(spool, b"after")
    assert bodies_after_restart(spool, tmp_path) == [b"before", b"after"]


def test_a_new_file_that_cannot_be_made_fails_only_what_needed_it(tmp_path: Path, disk: FailingDisk) -> None:
    spool = spool_on(disk, tmp_path)
    disk.fails_create = True
    futures = [spool.append(envelope(), b"%d" % n + b"x" * 900) for n in range(10)]
    errors = [future.exception(PATIENCE_S) for future in futures]
    kept = errors.index(next(error for error in errors if error))
    assert 0 < kept < 10
    assert all(isinstance(error, SpoolFullError) for error in errors[kept:])
    disk.fails_create = False
    put(spool, b"after")
    spool_bodies = bodies_after_restart(spool, tmp_path)
    assert [content[:1] for content in spool_bodies] == [b"%d" % n for n in range(kept)] + [b"a"]


def test_a_nearly_full_disk_refuses_before_it_is_full_and_space_reopens(tmp_path: Path, disk: FailingDisk) -> None:
    clock = ManualClock()
    spool = spool_on(disk, tmp_path, clock)
    disk.free = 999
    with pytest.raises(SpoolFullError, match="nearly full"):
        spool.append(envelope(), b"x")
    disk.free = 1_000
    clock.advance(2)
    put(spool, b"x")
    spool.close()


def test_acknowledged_segments_leave_the_disk(tmp_path: Path, disk: FailingDisk) -> None:
    spool = spool_on(disk, tmp_path)
    put(spool, *(b"x" * 1000 for _ in range(40)))
    assert len(segment_paths(tmp_path)) > 8
    spool.acknowledge(39)
    assert len(segment_paths(tmp_path)) == 1
    spool.close()


def test_segments_an_owner_had_no_time_to_delete_go_at_the_next_opening(tmp_path: Path, disk: FailingDisk) -> None:
    spool = spool_on(disk, tmp_path)
    put(spool, *(b"x" * 1000 for _ in range(40)))
    kept = {path: path.read_bytes() for path in segment_paths(tmp_path)}
    spool.acknowledge(39)
    spool.close()
    for path, content in kept.items():
        path.write_bytes(content)
    again = spool_on(disk, tmp_path)
    assert len(segment_paths(tmp_path)) == 1
    assert again.acknowledged == 39
    assert again.depth().records == 1
    again.close()


def test_a_lost_cursor_forgets_no_more_than_what_is_still_on_disk(tmp_path: Path, disk: FailingDisk) -> None:
    spool = spool_on(disk, tmp_path)
    put(spool, *(b"x" * 1000 for _ in range(40)))
    spool.acknowledge(30)
    first = int(segment_paths(tmp_path)[0].name.split(".")[0])
    spool.close()
    (tmp_path / "cursor").unlink()
    again = spool_on(disk, tmp_path)
    assert 0 < again.acknowledged == first - 1 <= 30
    assert [record.position.sequence for record in read_all(again)] == list(range(first, 41))
    again.close()


def test_a_slow_disk_bounds_what_waits_in_memory(tmp_path: Path, disk: FailingDisk) -> None:
    spool = FileSpool(tmp_path, ManualClock(), max_queued_bytes=10_000, min_free_bytes=0, disk=disk)
    with spool._segments._writing:
        refused = 0
        for _ in range(30):
            try:
                spool.append(envelope(), b"x" * 1000)
            except SpoolFullError:
                refused += 1
    assert 20 < refused < 30
    spool.close()

"""kill -9 while points are being written: what was acknowledged is there, once."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from integration.metrics import duckdb_writer_process as writer
from strata_datamodel.errors import StoreUnavailableError
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore


def _start(directory: Path, step_s: int = 1) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, writer.__file__, str(directory), str(step_s)],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )


def _kill_after(process: subprocess.Popen[str], acknowledgements: int) -> int:
    """The newest sequence that was acknowledged before the process was gone."""
    newest = -1
    for _ in range(acknowledgements):
        newest = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().splitlines()
    process.stdout.close()
    process.wait(30)
    return max([newest, *(int(line) for line in rest)])


@pytest.mark.parametrize(("acknowledgements", "step_s"), [(1, 1), (8, 1), (60, 1), (7, 1800)])
def test_every_acknowledged_batch_is_there_once_after_a_kill(tmp_path, acknowledgements, step_s):
    newest = -1
    for _ in range(2):  # the second start goes on where the first was killed
        newest = _kill_after(_start(tmp_path, step_s), acknowledgements)
    store = DuckDbMetricStore(tmp_path, SystemClock())
    committed = store.committed_sequence(writer.SPOOL)
    assert committed is not None
    assert committed in (newest, newest + 1)  # one more may be in whose acknowledgement nobody heard
    held = store.count_points(writer.ORGANIZATION) - (committed + 1) * writer.POINTS_PER_BATCH
    # Of the batch that was being written when the process was killed, files that were done are in: never its position.
    assert 0 <= held < writer.POINTS_PER_BATCH
    assert not held or step_s > 1
    for sequence in range(max(0, newest - 3), committed + 2):
        store.write(writer.batch(sequence, step_s))
    assert store.count_points(writer.ORGANIZATION) == (committed + 2) * writer.POINTS_PER_BATCH
    store.close()


def test_a_second_process_is_told_who_holds_the_file(tmp_path):
    process = _start(tmp_path)
    process.stdout.readline()
    store = DuckDbMetricStore(tmp_path, SystemClock())
    with pytest.raises(StoreUnavailableError, match=f"held by process {process.pid}"):
        store.prepare()
    assert not store.health().is_ready
    _kill_after(process, 0)
    store.prepare()
    assert store.health().is_ready
    store.close()


def test_fault_18_a_full_disk_refuses_writes_loses_nothing_and_is_forgotten_once_there_is_room(tmp_path):
    program = Path(writer.__file__).with_name("duckdb_full_disk_process.py")
    tests = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, program, tmp_path],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": tests},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    acknowledged, points, refusals = json.loads(done.stdout)
    assert points == acknowledged * writer.POINTS_PER_BATCH
    assert acknowledged > 5
    assert len(refusals) == 3

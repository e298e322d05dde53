"""A process ends although a writer hangs, and closes no store under it."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("ending_process.py")


def ended(folder: Path, write_s: float) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, str(PROGRAM), str(folder), str(write_s)]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("write_s", "code", "said"), [(0, 0, ["draining", "stores are closed"]), (600, 1, ["draining"])]
)
def test_stores_are_closed_after_the_last_write_and_never_under_one(tmp_path, write_s, code, said):
    process = ended(tmp_path, write_s)
    told = [line for line in process.stdout.splitlines() if "ended_under_a_writer" not in line]
    assert (process.returncode, told) == (code, said), process.stderr
    assert ("ended_under_a_writer" in process.stdout + process.stderr) is (code == 1)
    if code:
        assert ended(tmp_path, 0).returncode == 0, "the next process could not open what was left"

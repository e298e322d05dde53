"""One folder a test run: who is in it shares its servers, and the servers live as long as it is leased.

The process that opens the run holds a file lock in it until it ends, however it ends. Each server has a holder, a
process of its own (`holder.py`) that stops the server and wipes its data when that lock is free again: so a run that is
killed with -9 leaves nothing behind, and the workers of a parallel run may come and go.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from native_stores.cache import exclusive
from native_stores.kind import NativeStoreError
from native_stores.running import log_tail

_PREFIX = f"strata-test-run-{os.getuid()}-"
_LEASE = "lease"
_SERVERS_STOP_WITHIN_S = 15.0


@dataclass(frozen=True)
class Served:
    url: str
    how: str


@dataclass(frozen=True)
class SharedRun:
    folder: Path
    lease: IO[str]

    def close(self) -> None:
        """Ends the run: returns when its servers are gone, with their data."""
        self.lease.close()
        deadline = time.monotonic() + _SERVERS_STOP_WITHIN_S
        while time.monotonic() < deadline and not all(is_free(path) for path in self.folder.glob("*.holder")):
            time.sleep(0.02)
        shutil.rmtree(self.folder, ignore_errors=True)


def open_run() -> SharedRun:
    """A new run, and what an earlier one could not clear away because its holders were killed as well."""
    parent = Path(tempfile.gettempdir())
    for stale in parent.glob(_PREFIX + "*"):
        if is_free(stale / _LEASE):
            shutil.rmtree(stale, ignore_errors=True)
    # Leased before it has the name under which others look for stale runs.
    hidden = Path(tempfile.mkdtemp(prefix="." + _PREFIX))
    hidden.chmod(0o755)
    lease = (hidden / _LEASE).open("a")
    fcntl.flock(lease, fcntl.LOCK_EX)
    return SharedRun(hidden.rename(parent / hidden.name[1:]), lease)


def is_leased(folder: Path) -> bool:
    return not is_free(folder / _LEASE)


def ask_for(folder: Path, name: str, ways: list[str]) -> None:
    """Has the named server started, once a run, by the first of the ways that works. Returns at once."""
    with exclusive(folder / f"{name}.asking"):
        if (folder / f"{name}.json").exists() or not is_free(folder / f"{name}.holder"):
            return
        with (folder / f"{name}.log").open("ab") as log:
            subprocess.run(
                [sys.executable, "-m", "native_stores.holder", folder, name, *ways],
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=60,
                check=True,
            )


def await_served(folder: Path, name: str, timeout_s: float) -> Served:
    """Where the server asked for listens, once it answers."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        abandoned = is_free(folder / f"{name}.holder")
        state = _read_state(folder, name)
        if "problem" in state:
            raise NativeStoreError(state["problem"])
        if state:
            return Served(**state)
        if abandoned:
            break
        time.sleep(0.05)
    raise NativeStoreError(f"{name} did not start:\n{log_tail(folder / f'{name}.log')}")


def publish(folder: Path, name: str, state: Served | str) -> None:
    """Tells everybody in the run where the server is, or why there is none."""
    content = {"problem": state} if isinstance(state, str) else asdict(state)
    draft = folder / f"{name}.json.draft"
    draft.write_text(json.dumps(content))
    draft.rename(folder / f"{name}.json")


def is_free(path: Path) -> bool:
    if not path.exists():
        return True
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _read_state(folder: Path, name: str) -> dict[str, str]:
    try:
        content: dict[str, str] = json.loads((folder / f"{name}.json").read_text())
    except FileNotFoundError:
        return {}
    return content

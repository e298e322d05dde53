"""Brings one installed server up and says where it listens."""

from __future__ import annotations

import time
from pathlib import Path

from native_stores.children import kill_group
from native_stores.kind import Kind, Launch, NativeStoreError

START_WITHIN_S = 150.0


def start(kind: Kind, version: str, home: Path, work: Path) -> tuple[Launch, str]:
    """The running server and its URL, once it answers. A server that does not is gone when this raises."""
    launch = kind.launch(version, home, work)
    try:
        return launch, _await_ready(launch)
    except BaseException:
        kill_group(launch.process)
        raise


def log_tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"


def _await_ready(launch: Launch) -> str:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        if launch.process.poll() is not None:
            raise NativeStoreError(f"exited with {launch.process.returncode}:\n{log_tail(launch.log)}")
        url = launch.find_url()
        if url is not None and launch.is_ready(url):
            return url
        time.sleep(0.05)
    raise NativeStoreError(f"not ready in {START_WITHIN_S:.0f} s:\n{log_tail(launch.log)}")

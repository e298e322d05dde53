"""Server processes that cannot outlive the process that started them."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_STOP_WITHIN_S = 10.0


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Who to run a server as that refuses root; None when we are not root, and ourselves will do."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def start_child(
    argv: list[str | Path], *, log: Path, env: dict[str, str], account: Account | None = None
) -> subprocess.Popen[bytes]:
    """Starts argv in a process group of its own, to be stopped as one, with both outputs in log.

    Must be called from a thread that lives as long as the child should: the kernel's notion of a parent's death is the
    death of that thread.
    """
    parent = os.getpid()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def die_with_parent() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died between the fork and the line above
                os._exit(1)

    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=log.parent,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - only calls into a library that is already loaded
        )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kills the child and whatever it started. Its data is thrown away next, so there is nothing to be gentle about."""
    deadline = time.monotonic() + _STOP_WITHIN_S
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            break
        process.poll()
        time.sleep(0.01)
    process.wait(_STOP_WITHIN_S)

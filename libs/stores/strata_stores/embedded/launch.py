"""Becomes a server: gives up root if told to, ties its life to its parent's, then execs. Run as a script, stdlib only.

A program of its own and not a `preexec_fn`: between fork and exec of a process with threads (DuckDB, uvicorn) Python
code may deadlock on a lock that another thread held, and a child that shares nothing with us cannot.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
KEEP_ACCOUNT = -1


def give_up_root(uid: int, gid: int) -> None:
    if uid == KEEP_ACCOUNT:
        return
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with_parent(parent_pid: int, signal_number: int) -> None:
    """After `give_up_root`, never before: Linux clears the setting when the account changes."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before the setting was in place
        sys.exit(1)


def main(arguments: list[str]) -> None:
    uid, gid, parent_pid, signal_number = (int(argument) for argument in arguments[:4])
    command = arguments[4:]
    os.umask(0o077)
    give_up_root(uid, gid)
    die_with_parent(parent_pid, signal_number)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])

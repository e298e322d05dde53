"""Servers that outlived the process that started them."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]

from strata_datamodel.errors import UnavailableError

GONE_TIMEOUT_S: Final = 10.0


def processes_in(directory: Path, program: str) -> list[psutil.Process]:
    """Processes of that program working in that directory. Both servers change into their data directory, so this finds
    them, and PostgreSQL's backends, without trusting a pid file whose number may belong to somebody else by now."""
    wanted = str(directory.resolve())
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] == program and process.cwd() == wanted:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def stop_orphans(directory: Path, program: str, steps: Sequence[tuple[signal.Signals, float]]) -> int:
    """How many there were. Call it only as the owner of the directory: then every such process is a leftover."""
    orphans = processes_in(directory, program)
    if not orphans:
        return 0
    pids = {process.pid for process in orphans}
    leaders = [process for process in orphans if _parent_pid(process) not in pids]
    for signal_number, patience_s in steps:
        _send(leaders, signal_number)
        _, alive = psutil.wait_procs(orphans, timeout=patience_s)
        if not alive:
            break
    _send(processes_in(directory, program), signal.SIGKILL)
    _, alive = psutil.wait_procs(processes_in(directory, program), timeout=GONE_TIMEOUT_S)
    if alive:
        raise UnavailableError(
            f"{program} processes {[process.pid for process in alive]} still use {directory} and do not die",
            code="orphan_server",
            hint="end those processes, then start again",
        )
    return len(orphans)


def _parent_pid(process: psutil.Process) -> int:
    try:
        return int(process.ppid())
    except psutil.NoSuchProcess:
        return 0


def _send(processes: list[psutil.Process], signal_number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(signal_number)
        except psutil.NoSuchProcess:
            continue

"""One server process, and the thread that minds it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strata_stores.embedded import launch
from strata_stores.embedded.account import Account
from strata_stores.embedded.output import ServerLog

# Nothing is inherited: a PGPORT, PGDATA or LD_PRELOAD of the user's shell would change what we start.
CLEAN_ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": os.defpath}
SPAWN_TIMEOUT_S: Final = 30.0
KILL_TIMEOUT_S: Final = 10.0
_READ_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Program:
    command: Sequence[str]
    directory: Path
    account: Account | None  # None: the account we run as
    death_signal: signal.Signals  # what the kernel sends it when we die without a word


def launch_command(program: Program) -> list[str]:
    """For the thread that stays until the program has ended: the death signal is bound to it."""
    account = program.account
    uid, gid = (account.uid, account.gid) if account else (launch.KEEP_ACCOUNT, launch.KEEP_ACCOUNT)
    numbers = (uid, gid, os.getpid(), int(program.death_signal))
    # -I -S: neither the user's environment nor site-packages take part, and it starts the faster for it
    launcher = [sys.executable, "-I", "-S", launch.__file__]
    return [*launcher, *(str(number) for number in numbers), *program.command]


class Child:
    """Linux ties a parent-death signal to the thread that started the child, not to the process. So each child is
    started by a thread of its own that lives exactly as long: it spawns, then waits for the exit."""

    def __init__(self, name: str, program: Program, log: ServerLog) -> None:
        self.name = name
        self._program = program
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        self._spawned = threading.Event()
        self._exited = threading.Event()

    def spawn(self) -> None:
        """Raises OSError when the program cannot be started at all."""
        threading.Thread(target=self._mind, name=f"{self.name}-minder", daemon=True).start()
        self._spawned.wait(SPAWN_TIMEOUT_S)
        if self._failure is not None:
            raise self._failure

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def returncode(self) -> int | None:
        return self._process.returncode if self._process is not None else None

    def is_alive(self) -> bool:
        return self._process is not None and not self._exited.is_set()

    def wait(self, timeout_s: float) -> bool:
        """True once it has exited."""
        return self._exited.wait(timeout_s)

    def send(self, signal_number: signal.Signals) -> None:
        if self._process is not None and not self._exited.is_set():
            self._process.send_signal(signal_number)

    def stop(self, steps: Sequence[tuple[signal.Signals, float]]) -> bool:
        """Signals with the patience each gets, then SIGKILL. True when it went without SIGKILL."""
        for signal_number, patience_s in steps:
            self.send(signal_number)
            if not self.is_alive() or self.wait(patience_s):
                return True
        self.send(signal.SIGKILL)
        self.wait(KILL_TIMEOUT_S)
        return False

    def _mind(self) -> None:
        try:
            process = subprocess.Popen(
                launch_command(self._program),
                cwd=self._program.directory,
                env=CLEAN_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in a terminal is for us: servers stop after we have drained
            )
        except OSError as error:
            self._failure = error
            self._spawned.set()
            return
        self._process = process
        pump = threading.Thread(target=self._pump, args=(process,), name=f"{self.name}-output", daemon=True)
        pump.start()
        self._spawned.set()
        process.wait()
        pump.join(1.0)  # its last words belong into the error message; grandchildren may hold the pipe for longer
        self._exited.set()

    def _pump(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        with process.stdout as pipe:
            while chunk := os.read(pipe.fileno(), _READ_BYTES):
                self._log.append(chunk)

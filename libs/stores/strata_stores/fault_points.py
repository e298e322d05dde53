"""What a process under test does at a named place: dies, stands still, or fails. Never outside of tests."""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from strata_core.sagas.fault_points import NO_FAULTS, FaultPoints
from strata_datamodel.errors import InvalidError, StoreUnavailableError


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    """Until somebody sends SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


def _fail() -> None:
    raise StoreUnavailableError("test", "a fault point")


ACTS: Final[Mapping[str, Callable[[], None]]] = {"kill": _kill, "stop": _stop, "fail": _fail}


@dataclass(frozen=True, slots=True)
class Fault:
    """`pattern` may hold `*`. It happens at the `nth` time that a name of the pattern is reached, and once."""

    pattern: str
    act: str
    nth: int = 1


class ScriptedFaults:
    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._faults = faults
        self._reached = dict.fromkeys(faults, 0)
        self._lock = threading.Lock()

    def reached(self, name: str) -> None:
        for fault in self._faults:
            if not fnmatchcase(name, fault.pattern):
                continue
            with self._lock:
                self._reached[fault] += 1
                is_due = self._reached[fault] == fault.nth
            if is_due:
                ACTS[fault.act]()


def faults_of(text: str | None) -> FaultPoints:
    """`name:act` or `name:act@n`, with commas between: `saga.x.y.after_effect:kill,saga.*.before_undo:stop@2`. Raises
    InvalidError (code `bad_fault_point`)."""
    if text is None:
        return NO_FAULTS
    return ScriptedFaults(tuple(_fault(part.strip()) for part in text.split(",")))


def _fault(text: str) -> Fault:
    pattern, _, rest = text.rpartition(":")
    act, _, nth = rest.partition("@")
    if not pattern or act not in ACTS or (nth and not nth.isdecimal()):
        raise InvalidError(
            f"{text!r} is no fault point", code="bad_fault_point", hint=f"name:act, act being one of {', '.join(ACTS)}"
        )
    return Fault(pattern, act, int(nth or 1))

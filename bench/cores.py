"""Which core serves and which sends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    """None where the platform cannot pin; figures are per second of CPU all the same."""

    server: int | None
    load: int | None

    @staticmethod
    def found() -> "Cores":
        if not hasattr(os, "sched_setaffinity"):
            return Cores(None, None)
        allowed = sorted(os.sched_getaffinity(0))
        return Cores(allowed[0], allowed[-1])


def stay_on(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Processes started within stay on this core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

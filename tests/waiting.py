"""Waiting for a fact instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_PAUSE_S = 0.01


def eventually(probe: Callable[[], T], timeout_s: float = 10.0, *, what: str = "the condition") -> T:
    """Poll `probe` until it returns something true; its last assertion error explains a failure."""
    deadline = time.monotonic() + timeout_s
    pause = _PAUSE_S
    last: AssertionError | None = None
    while True:
        try:
            value = probe()
            if value:
                return value
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise last or AssertionError(f"{what} did not come true in {timeout_s} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)

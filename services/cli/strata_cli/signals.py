"""SIGTERM as an exception, so that what was opened is closed also when the signal comes during start or stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequestedError(SystemExit):
    """Not an Exception: nothing but the outermost frame should catch it."""


@contextmanager
def termination_raises() -> Iterator[None]:
    """Within, SIGTERM and SIGINT raise StopRequestedError in the main thread, unless a server handles them."""

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        # One is enough: a second signal while things are being closed must not interrupt that.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise StopRequestedError(128 + number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

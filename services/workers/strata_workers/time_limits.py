"""An end to what would never come back by itself."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class TookTooLongError(Exception):
    """Raised in the middle of whatever the thread was doing."""


@contextmanager
def time_limit(limit_s: float) -> Iterator[None]:
    """Interrupts this thread's Python code after `limit_s`. A call into C is interrupted when it returns: calls to
    stores have time-outs of their own."""
    thread_id, lock, is_over = threading.get_ident(), threading.Lock(), False

    def interrupt() -> None:
        with lock:
            if not is_over:
                error = ctypes.py_object(TookTooLongError)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), error)

    timer = threading.Timer(limit_s, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        # Under the lock, or a limit that runs out this instant would hit what comes after.
        with lock:
            is_over = True
        timer.cancel()

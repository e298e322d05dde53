"""A time limit for statements that cannot be given one, and an end to those that nobody waits for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from strata_core.departures import check_wanted, on_departure
from strata_datamodel.errors import DeadlineError

_AGAIN_S: Final = 0.05


@contextmanager
def deadline(cursor: duckdb.DuckDBPyConnection, timeout_s: float) -> Iterator[None]:
    """Interrupts what the cursor does when the time is over, or whoever asked has left, and raises DeadlineError or
    CallerLeftError."""
    done, woken, expired = threading.Event(), threading.Event(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(cursor, timeout_s, done, woken, expired), daemon=True)
    watcher.start()
    try:
        with on_departure(woken.set):
            yield
    except duckdb.InterruptException as interrupted:
        check_wanted()
        if not expired.is_set():
            raise
        raise DeadlineError(
            f"the metric store did not finish within {timeout_s:g} s", hint="ask for a shorter range or fewer series"
        ) from interrupted
    finally:
        done.set()
        woken.set()
        watcher.join()


def _watch(
    cursor: duckdb.DuckDBPyConnection,
    timeout_s: float,
    done: threading.Event,
    woken: threading.Event,
    expired: threading.Event,
) -> None:
    woken.wait(timeout_s)
    if done.is_set():
        return
    expired.set()
    cursor.interrupt()
    while not done.wait(_AGAIN_S):  # an interrupt between two statements stops neither
        cursor.interrupt()

"""Ends on a data directory of its own while a write is under way that ends, or never does. Arguments: the directory,
and how many seconds the write takes."""

import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from strata_cli.ending import stop_or_end_here
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore


def said(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    store = DuckDbMetricStore(folder, SystemClock())
    begun = threading.Event()

    def write() -> None:
        with store._turn_to_write(60):
            begun.set()
            threading.Event().wait(seconds)

    writer = threading.Thread(target=write)

    def stop() -> bool:
        writer.join(1)
        return not writer.is_alive()

    with ExitStack() as stack:
        stack.callback(said, "stores are closed")
        stack.callback(store.close)
        stack.callback(stop_or_end_here, stop)
        store.prepare()
        writer.start()
        begun.wait(30)
        said("draining")


main()

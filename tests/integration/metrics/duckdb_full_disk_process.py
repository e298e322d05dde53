"""Writes into a DuckDB metric store until files may not grow, makes room, and goes on. Prints what came of it."""

import json
import resource
import signal
import sys
from pathlib import Path

from integration.metrics import duckdb_writer_process as writer
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.limits import MIB
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore

_BATCHES_AFTERWARDS = 5


def main() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write past the limit is an error, as on a full disk
    store = DuckDbMetricStore(Path(sys.argv[1]), SystemClock(), checkpoint_bytes=MIB)
    store.prepare()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, hard))
    acknowledged, refusals = 0, []
    while len(refusals) < 3:
        try:
            store.write(writer.batch(acknowledged))
        except StoreUnavailableError as error:
            refusals.append(error.detail)
        else:
            acknowledged += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    for _ in range(_BATCHES_AFTERWARDS):
        store.write(writer.batch(acknowledged))
        acknowledged += 1
    points = store.count_points(writer.ORGANIZATION)
    store.close()
    sys.stdout.write(json.dumps([acknowledged, points, refusals]))


if __name__ == "__main__":
    main()

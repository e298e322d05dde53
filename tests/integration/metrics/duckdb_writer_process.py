"""Writes batch after batch into a DuckDB metric store and says which are acknowledged, until it is killed."""

import sys
from pathlib import Path
from uuid import UUID

import numpy as np

from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB
from strata_datamodel.metrics import FieldClass, PointBatch, SeriesKey
from strata_datamodel.spooling import SpoolPosition
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore

ORGANIZATION = OrganizationId(UUID(int=1))
SPOOL = UUID(int=2)
HOSTS = 20
TIMES_PER_BATCH = 100
REWRITTEN_TIMES = 10
POINTS_PER_BATCH = HOSTS * TIMES_PER_BATCH
_START_NS = 1_763_640_000 * 10**9
_SERIES = tuple(SeriesKey("cpu", (("host", f"h{n}"),), "usage", FieldClass.NUMBER) for n in range(HOSTS))


def batch(sequence: int, step_s: int = 1) -> PointBatch:
    """New times, after the newest times of the batch before once more: those could double. Steps of half an hour spread
    each batch over three files."""
    first = sequence * TIMES_PER_BATCH - (REWRITTEN_TIMES if sequence else 0)
    times = _START_NS + np.arange(first, (sequence + 1) * TIMES_PER_BATCH, dtype=np.int64) * step_s * 10**9
    return PointBatch(
        ORGANIZATION,
        _SERIES,
        np.repeat(np.arange(HOSTS, dtype=np.int32), len(times)),
        np.tile(times, HOSTS),
        np.full(HOSTS * len(times), 1.0),
        source=SpoolPosition(SPOOL, sequence),
    )


def main() -> None:
    store = DuckDbMetricStore(Path(sys.argv[1]), SystemClock(), checkpoint_bytes=MIB // 4)
    step_s = int(sys.argv[2])
    store.prepare()
    sequence = (store.committed_sequence(SPOOL) or -1) + 1
    while True:
        store.write(batch(sequence, step_s))
        sys.stdout.write(f"{sequence}\n")
        sys.stdout.flush()
        sequence += 1


if __name__ == "__main__":
    main()

"""The newest time of each series in a file, so that a start need not read the points."""

from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from strata_stores.duckdb.doubles import NewestTimes, last_rows
from strata_stores.duckdb.frames import registered

# What is stored runs ahead of the points: exact times would have to be written with every batch, for each series in it.
# Up to it, the first points after a start are looked for in the table although they are new.
_AHEAD_NS: Final = 1800 * 1_000_000_000
_LATEST_NS: Final = np.iinfo(np.int64).max

_NEWEST: Final = "SELECT sid, max(ts_ns) AS ts_ns FROM {file}.newest_times GROUP BY sid"
_DELETE: Final = "DELETE FROM {file}.newest_times AS held USING ahead WHERE held.sid = ahead.sid"
_INSERT: Final = "INSERT INTO {file}.newest_times SELECT sid, ts_ns FROM ahead"

Times = tuple[NDArray[np.int32], NDArray[np.int64]]


@dataclass(slots=True)
class StoredTimes:
    """What `newest_times` holds: never before any point that is committed."""

    _times: NewestTimes

    def keep_ahead(
        self, cursor: duckdb.DuckDBPyConnection, file: str, sid: NDArray[np.int32], time_ns: NDArray[np.int64]
    ) -> Times:
        """In the transaction of these rows, which are by series and time. Returns what to adopt after the commit."""
        if not len(sid):
            return sid, time_ns
        last = last_rows(sid)
        sid, time_ns = sid[last], time_ns[last]
        passed = time_ns > self._times.of_each(sid)
        sid, time_ns = sid[passed], time_ns[passed]
        if not len(sid):
            return sid, time_ns
        ahead = np.minimum(time_ns, _LATEST_NS - _AHEAD_NS) + _AHEAD_NS
        with registered(cursor, "ahead", pa.table({"sid": sid, "ts_ns": ahead})):
            cursor.execute(_DELETE.format(file=file))
            cursor.execute(_INSERT.format(file=file))
        return sid, ahead

    def adopt(self, sid: NDArray[np.int32], time_ns: NDArray[np.int64]) -> None:
        self._times.advance(sid, time_ns)


def load_newest(cursor: duckdb.DuckDBPyConnection, file: str) -> tuple[NewestTimes, StoredTimes]:
    found = cursor.execute(_NEWEST.format(file=file)).fetchnumpy()
    sid, time_ns = found["sid"], found["ts_ns"]
    return NewestTimes.of(sid, time_ns), StoredTimes(NewestTimes.of(sid, time_ns))

"""Points into the file: rows, spool position and new series in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from strata_core.metrics.rules import NOT_FINITE, not_finite_rows
from strata_datamodel.metrics import FieldClass, PointBatch, Rejection, WriteOutcome
from strata_datamodel.spooling import SpoolPosition
from strata_stores.duckdb.catalogue import REFUSED, Catalogue, insert_series
from strata_stores.duckdb.doubles import NewestTimes, single_rows
from strata_stores.duckdb.frames import registered
from strata_stores.duckdb.newest import StoredTimes, load_newest
from strata_stores.duckdb.schema import POINT_TABLES

_NUMBERS, _TEXTS = POINT_TABLES

# Statements are fixed texts, one a table, so that no text is ever put together from a value.
_INSERT: Final = {
    _NUMBERS: "INSERT INTO points SELECT sid, ts_ns, v FROM incoming",
    _TEXTS: "INSERT INTO text_points SELECT sid, ts_ns, v FROM incoming",
}
# The bounds let row group statistics skip all that cannot hold a double.
_DELETE_DOUBLED: Final = {
    _NUMBERS: """
        DELETE FROM points USING late WHERE points.sid = late.sid AND points.ts_ns = late.ts_ns
        AND points.ts_ns BETWEEN $earliest AND $latest
    """,
    _TEXTS: """
        DELETE FROM text_points USING late WHERE text_points.sid = late.sid AND text_points.ts_ns = late.ts_ns
        AND text_points.ts_ns BETWEEN $earliest AND $latest
    """,
}
# A new row a commit, of which the highest counts: an update in its place made a commit of 15,000 points twice as slow.
_POSITIONS_KEPT: Final = 4096


@dataclass(slots=True)
class WriterState:
    """What the one writer knows of the file; rebuilt from it at start and after any failure."""

    catalogue: Catalogue
    newest: NewestTimes
    stored: StoredTimes
    positions: dict[UUID, int]

    @staticmethod
    def load(cursor: duckdb.DuckDBPyConnection) -> "WriterState":
        newest, stored = load_newest(cursor)
        positions = cursor.execute("SELECT spool, max(sequence) FROM positions GROUP BY spool").fetchall()
        return WriterState(
            Catalogue.load(cursor),
            newest,
            stored,
            dict(positions),
        )

    def holds(self, source: SpoolPosition | None) -> bool:
        return source is not None and source.sequence <= self.positions.get(source.spool_id, source.sequence - 1)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table, by series and time."""

    table: str
    sid: NDArray[np.int32]
    time_ns: NDArray[np.int64]
    values: pa.Array


def write_batch(cursor: duckdb.DuckDBPyConnection, state: WriterState, batch: PointBatch) -> WriteOutcome:
    numbering = state.catalogue.number(cursor, batch.organization_id, batch.series)
    rejections = dict.fromkeys(not_finite_rows(batch.values), NOT_FINITE)
    sid = np.asarray(numbering.sids, np.int32)[batch.series_index]
    for position in numbering.refusals:
        rejections |= dict.fromkeys(
            (int(row) for row in np.flatnonzero(batch.series_index == position)), numbering.refusals[position]
        )
    outcome = WriteOutcome(
        len(batch) - len(rejections), tuple(Rejection(row, rejections[row]) for row in sorted(rejections))
    )
    if state.holds(batch.source):
        return outcome
    rows = _rows(batch, sid, np.isfinite(batch.values) & (sid != REFUSED) if rejections else None)
    with transaction(cursor):
        insert_series(cursor, batch.organization_id, numbering.new)
        for part in rows:
            _insert(cursor, state.newest, part)
        ahead = [state.stored.keep_ahead(cursor, part.sid, part.time_ns) for part in rows]
        if batch.source is not None:
            _move_position(cursor, batch.source)
    state.catalogue.adopt(batch.organization_id, numbering.new)
    for part in rows:
        state.newest.advance(part.sid, part.time_ns)
    for sid, time_ns in ahead:
        state.stored.adopt(sid, time_ns)
    if batch.source is not None:
        state.positions[batch.source.spool_id] = batch.source.sequence
    return outcome


def _rows(batch: PointBatch, sid: NDArray[np.int32], kept: NDArray[np.bool_] | None) -> list[Rows]:
    if not batch.texts:
        return [_part(_NUMBERS, batch, sid, kept)]
    is_text = np.array([key.field_class is FieldClass.STRING for key in batch.series])[batch.series_index]
    everything = np.ones(len(batch), np.bool_) if kept is None else kept
    parts = [_part(_NUMBERS, batch, sid, everything & ~is_text), _part(_TEXTS, batch, sid, everything & is_text)]
    return [part for part in parts if len(part.sid)]


def _part(table: str, batch: PointBatch, sid: NDArray[np.int32], kept: NDArray[np.bool_] | None) -> Rows:
    chosen = slice(None) if kept is None else kept
    sid, time_ns, values = sid[chosen], batch.time_ns[chosen], batch.values[chosen]
    order = single_rows(sid, time_ns)
    column = pa.array(values[order])
    if table == _TEXTS:
        column = pa.DictionaryArray.from_arrays(
            pa.array(values[order].astype(np.int32)), pa.array(batch.texts, pa.string())
        )
    return Rows(table, sid[order], time_ns[order], column)


def _insert(cursor: duckdb.DuckDBPyConnection, newest: NewestTimes, rows: Rows) -> None:
    late = newest.might_double(rows.sid, rows.time_ns)
    if late.any():
        times = rows.time_ns[late]
        with registered(cursor, "late", pa.table({"sid": rows.sid[late], "ts_ns": times})):
            cursor.execute(_DELETE_DOUBLED[rows.table], {"earliest": int(times.min()), "latest": int(times.max())})
    table = pa.table({"sid": rows.sid, "ts_ns": rows.time_ns, "v": rows.values})
    with registered(cursor, "incoming", table):
        cursor.execute(_INSERT[rows.table])


def _move_position(cursor: duckdb.DuckDBPyConnection, source: SpoolPosition) -> None:
    parameters = {"spool": str(source.spool_id), "sequence": source.sequence}
    cursor.execute("INSERT INTO positions VALUES ($spool::UUID, $sequence)", parameters)
    if source.sequence % _POSITIONS_KEPT == 0:
        cursor.execute("DELETE FROM positions WHERE spool = $spool::UUID AND sequence < $sequence", parameters)


@contextmanager
def transaction(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Left open by an error: closing the cursor rolls it back."""
    cursor.begin()
    yield
    cursor.commit()

"""Points into their files: rows, and with the last of them the spool position."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from strata_core.metrics.rules import NOT_FINITE, not_finite_rows
from strata_datamodel.metrics import FieldClass, PointBatch, Rejection, WriteOutcome
from strata_datamodel.spooling import SpoolPosition
from strata_datamodel.tiers import Tier
from strata_stores.duckdb.catalogue import REFUSED, insert_series
from strata_stores.duckdb.doubles import NewestTimes, single_rows
from strata_stores.duckdb.frames import registered
from strata_stores.duckdb.partitions import PartitionFile, Partitions
from strata_stores.duckdb.periods import Period, raw_numbers
from strata_stores.duckdb.raw_files import FileState, WriterState, move_position
from strata_stores.duckdb.schema import NUMBERS, TEXTS
from strata_stores.duckdb.transactions import changing, transaction

_INSERT: Final = "INSERT INTO {file}.{table} SELECT sid, ts_ns, v FROM incoming"
# The bounds let row group statistics skip all that cannot hold a double.
_DELETE_DOUBLED: Final = """
    DELETE FROM {file}.{table} AS held USING late WHERE held.sid = late.sid AND held.ts_ns = late.ts_ns
    AND held.ts_ns BETWEEN $earliest AND $latest
"""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table, by series and time."""

    table: str
    sid: NDArray[np.int32]
    time_ns: NDArray[np.int64]
    values: pa.Array


def write_batch(
    cursor: duckdb.DuckDBPyConnection, state: WriterState, partitions: Partitions, batch: PointBatch
) -> WriteOutcome:
    """New series first: one that nobody has points of does no harm. Then file by file, the oldest first, and the
    position with the last: where it is, all its points are. After a kill in between all are written again."""
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
    if numbering.new:
        with transaction(cursor):
            insert_series(cursor, batch.organization_id, numbering.new)
        state.catalogue.adopt(batch.organization_id, numbering.new)
    rows = _rows(batch, sid, np.isfinite(batch.values) & (sid != REFUSED) if rejections else None)
    _write_rows(cursor, state, partitions, rows, batch.source)
    if batch.source is not None:
        state.positions[batch.source.spool_id] = batch.source.sequence
    return outcome


def _write_rows(
    cursor: duckdb.DuckDBPyConnection,
    state: WriterState,
    partitions: Partitions,
    rows: list[Rows],
    source: SpoolPosition | None,
) -> None:
    by_period = list(_by_period(rows))
    for place, (period, parts) in enumerate(by_period, 1):
        with partitions.pinned_or_new(period) as file:
            _write_file(cursor, state.of(cursor, file), file, parts, source if place == len(by_period) else None)
    if not by_period and source is not None:
        with transaction(cursor):
            move_position(cursor, "positions", source)


def _write_file(
    cursor: duckdb.DuckDBPyConnection,
    state: FileState,
    file: PartitionFile,
    rows: list[Rows],
    source: SpoolPosition | None,
) -> None:
    with changing(cursor, file, is_sealed=state.is_sealed):
        for part in rows:
            _insert(cursor, file.name, state.newest, part)
        ahead = [state.stored.keep_ahead(cursor, file.name, part.sid, part.time_ns) for part in rows]
        if source is not None:
            move_position(cursor, f"{file.name}.positions", source)
    state.is_sealed = False
    for part in rows:
        state.newest.advance(part.sid, part.time_ns)
    for sid, time_ns in ahead:
        state.stored.adopt(sid, time_ns)


def _by_period(rows: list[Rows]) -> Iterator[tuple[Period, list[Rows]]]:
    """By time."""
    if not rows:
        return
    edges = [raw_numbers(np.array([part.time_ns.min(), part.time_ns.max()])) for part in rows]
    first, last = min(int(each[0]) for each in edges), max(int(each[1]) for each in edges)
    if first == last:
        yield Period(Tier.RAW, first), rows
        return
    numbers = [raw_numbers(part.time_ns) for part in rows]
    for number in np.unique(np.concatenate(numbers)).tolist():
        chosen = [(part, of_part == number) for part, of_part in zip(rows, numbers, strict=True)]
        yield Period(Tier.RAW, number), [_chosen(part, kept) for part, kept in chosen if kept.any()]


def _chosen(rows: Rows, kept: NDArray[np.bool_]) -> Rows:
    return Rows(rows.table, rows.sid[kept], rows.time_ns[kept], rows.values.filter(pa.array(kept)))


def _rows(batch: PointBatch, sid: NDArray[np.int32], kept: NDArray[np.bool_] | None) -> list[Rows]:
    if not batch.texts:
        parts = [_part(NUMBERS, batch, sid, kept)]
    else:
        is_text = np.array([key.field_class is FieldClass.STRING for key in batch.series])[batch.series_index]
        everything = np.ones(len(batch), np.bool_) if kept is None else kept
        parts = [_part(NUMBERS, batch, sid, everything & ~is_text), _part(TEXTS, batch, sid, everything & is_text)]
    return [part for part in parts if len(part.sid)]


def _part(table: str, batch: PointBatch, sid: NDArray[np.int32], kept: NDArray[np.bool_] | None) -> Rows:
    chosen = slice(None) if kept is None else kept
    sid, time_ns, values = sid[chosen], batch.time_ns[chosen], batch.values[chosen]
    order = single_rows(sid, time_ns)
    column = pa.array(values[order])
    if table == TEXTS:
        column = pa.DictionaryArray.from_arrays(
            pa.array(values[order].astype(np.int32)), pa.array(batch.texts, pa.string())
        )
    return Rows(table, sid[order], time_ns[order], column)


def _insert(cursor: duckdb.DuckDBPyConnection, file: str, newest: NewestTimes, rows: Rows) -> None:
    late = newest.might_double(rows.sid, rows.time_ns)
    if late.any():
        times = rows.time_ns[late]
        with registered(cursor, "late", pa.table({"sid": rows.sid[late], "ts_ns": times})):
            bounds = {"earliest": int(times.min()), "latest": int(times.max())}
            cursor.execute(_DELETE_DOUBLED.format(file=file, table=rows.table), bounds)
    table = pa.table({"sid": rows.sid, "ts_ns": rows.time_ns, "v": rows.values})
    with registered(cursor, "incoming", table):
        cursor.execute(_INSERT.format(file=file, table=rows.table))

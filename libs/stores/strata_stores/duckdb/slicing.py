"""What the files hold of one organization, piece by piece."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from strata_core.metrics.histograms import merged
from strata_core.metrics.rules import FIELD_CLASS_ORDER
from strata_core.metrics.slices import too_large
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FieldClass, PointBatch, SeriesKey
from strata_datamodel.slices import WindowSlice
from strata_datamodel.tiers import RESOLUTION_NS, Tier
from strata_stores.duckdb.catalogue import insert_series
from strata_stores.duckdb.erasing import choose_all_of
from strata_stores.duckdb.frames import Columns, fetched, registered
from strata_stores.duckdb.partitions import PartitionFile, Partitions
from strata_stores.duckdb.periods import period_of
from strata_stores.duckdb.raw_files import WriterState
from strata_stores.duckdb.schema import KEPT_TABLES, TIME_COLUMN
from strata_stores.duckdb.transactions import changing, transaction

_HOUR_NS: Final = RESOLUTION_NS[Tier.HOUR]
_MINE: Final = "FROM {file}.{table} SEMI JOIN chosen USING (sid) WHERE {time} >= $from AND {time} < $to"
_BY_HOUR: Final = "SELECT $from + ({time} - $from) // $hour * $hour, count(*) " + _MINE + " GROUP BY ALL"
_ROWS: Final = "FROM ({reads}) LIMIT $most"
_KEYS: Final = "SELECT sid, measurement, field, class, tags FROM series SEMI JOIN wanted_sids USING (sid)"
_COLUMNS: Final = (
    *("sid", "ts_ns", "v", "start_ns", "n", "total", "least", "most", "first", "first_ns", "last", "last_ns", "rise"),
    *("bins", "counts"),
)
_REPLACED: Final = """
    DELETE FROM {file}.{table} AS held USING incoming
    WHERE held.sid = incoming.sid AND held.start_ns = incoming.start_ns
"""
_INSERT: Final = "INSERT INTO {file}.{table} BY NAME SELECT * FROM incoming"


def hours_held(
    cursor: duckdb.DuckDBPyConnection,
    partitions: Partitions,
    organization_id: OrganizationId,
    tier: Tier,
    from_ns: int,
    to_ns: int,
) -> Mapping[int, int]:
    choose_all_of(cursor, [organization_id])
    parameters = {"from": from_ns, "to": to_ns, "hour": _HOUR_NS}
    held: Counter[int] = Counter()
    with partitions.pinned((tier, from_ns, to_ns)) as (files,):
        for file in files:
            for table in KEPT_TABLES[tier]:
                statement = _BY_HOUR.format(file=file.name, table=table, time=TIME_COLUMN[tier])
                held.update(dict(cursor.execute(statement, parameters).fetchall()))
    return held


def point_slice(
    cursor: duckdb.DuckDBPyConnection,
    partitions: Partitions,
    organization_id: OrganizationId,
    from_ns: int,
    to_ns: int,
    limit: int,
) -> PointBatch:
    numbers, words = _rows(cursor, partitions, organization_id, Tier.RAW, (from_ns, to_ns), limit)
    series, index = _series(cursor, np.concatenate((numbers["sid"], words["sid"])))
    texts, (places,) = _numbered(words["v"])
    return PointBatch(
        organization_id,
        series,
        index,
        np.concatenate((numbers["ts_ns"], words["ts_ns"])).astype(np.int64),
        np.concatenate((numbers["v"].astype(np.float64), places)),
        texts,
    )


def window_slice(
    cursor: duckdb.DuckDBPyConnection,
    partitions: Partitions,
    organization_id: OrganizationId,
    tier: Tier,
    span: tuple[int, int],
    limit: int,
) -> WindowSlice:
    numbers, words = _rows(cursor, partitions, organization_id, tier, span, limit)
    series, index = _series(cursor, np.concatenate((numbers["sid"], words["sid"])))
    texts, (firsts, lasts) = _numbered(words["first"], words["last"])
    zeros = np.zeros(len(words["sid"]))

    def both(name: str) -> NDArray[np.int64]:
        return np.concatenate((numbers[name], words[name])).astype(np.int64)

    def spread(name: str) -> NDArray[np.float64]:
        found = np.concatenate((numbers[name].astype(np.float64), zeros))
        return np.where(is_number, np.nan_to_num(found), 0.0)

    is_number = np.array([key.field_class is FieldClass.NUMBER for key in series], np.bool_)[index]
    bucket_rows, buckets, bucket_counts = _buckets(numbers["bins"], numbers["counts"])
    kept = is_number[bucket_rows]
    return WindowSlice(
        organization_id,
        tier,
        series,
        index,
        both("start_ns"),
        both("n"),
        np.concatenate((numbers["first"].astype(np.float64), firsts)),
        both("first_ns"),
        np.concatenate((numbers["last"].astype(np.float64), lasts)),
        both("last_ns"),
        spread("total"),
        spread("least"),
        spread("most"),
        spread("rise"),
        bucket_rows[kept],
        buckets[kept],
        bucket_counts[kept],
        texts,
    )


def write_windows(
    cursor: duckdb.DuckDBPyConnection, state: WriterState, partitions: Partitions, windows: WindowSlice
) -> None:
    """A file at a time. What a kill leaves undone is done by whoever writes the slice again."""
    numbering = state.catalogue.number(cursor, windows.organization_id, windows.series)
    if numbering.new:
        with transaction(cursor):
            insert_series(cursor, windows.organization_id, numbering.new)
        state.catalogue.adopt(windows.organization_id, numbering.new)
    sid = np.asarray(numbering.sids, np.int32)[windows.series_index]
    is_text = np.array([key.field_class is FieldClass.STRING for key in windows.series], np.bool_)[windows.series_index]
    tables = (_number_table(windows, sid), _text_table(windows, sid, is_text))
    numbers = np.array([period_of(windows.tier, start).number for start in windows.start_ns.tolist()], np.int64)
    for number in np.unique(numbers).tolist():
        at = windows.start_ns[numbers == number][0]
        with partitions.pinned_or_new(period_of(windows.tier, int(at))) as file, changing(cursor, file):
            for place, (table, kept) in enumerate(zip(tables, (~is_text, is_text), strict=True)):
                mine = pa.array((numbers == number) & kept)
                _replace(cursor, file, KEPT_TABLES[windows.tier][place], table.filter(mine))


def _replace(cursor: duckdb.DuckDBPyConnection, file: PartitionFile, table: str, rows: pa.Table) -> None:
    if rows.num_rows:
        with registered(cursor, "incoming", rows):
            cursor.execute(_REPLACED.format(file=file.name, table=table))
            cursor.execute(_INSERT.format(file=file.name, table=table))


def _number_table(windows: WindowSlice, sid: NDArray[np.int32]) -> pa.Table:
    rows, buckets, counts = merged(windows.bucket_rows, windows.buckets, windows.bucket_counts)
    offsets = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=len(windows))))).astype(np.int32)
    return pa.table(
        {
            "sid": sid,
            "start_ns": windows.start_ns,
            "n": windows.counts,
            "total": windows.sums,
            "least": windows.minima,
            "most": windows.maxima,
            "first": windows.firsts,
            "first_ns": windows.first_ns,
            "last": windows.lasts,
            "last_ns": windows.last_ns,
            "rise": windows.rises,
            "bins": pa.ListArray.from_arrays(offsets, pa.array(buckets.astype(np.int32))),
            "counts": pa.ListArray.from_arrays(offsets, pa.array(counts.astype(np.int32))),
        }
    )


def _text_table(windows: WindowSlice, sid: NDArray[np.int32], is_text: NDArray[np.bool_]) -> pa.Table:
    def words(places: NDArray[np.float64]) -> pa.Array:
        each = zip(places.tolist(), is_text.tolist(), strict=True)
        return pa.array([windows.texts[int(place)] if is_mine else None for place, is_mine in each], pa.string())

    return pa.table(
        {
            "sid": sid,
            "start_ns": windows.start_ns,
            "n": windows.counts,
            "first": words(windows.firsts),
            "first_ns": windows.first_ns,
            "last": words(windows.lasts),
            "last_ns": windows.last_ns,
        }
    )


def _rows(
    cursor: duckdb.DuckDBPyConnection,
    partitions: Partitions,
    organization_id: OrganizationId,
    tier: Tier,
    span: tuple[int, int],
    limit: int,
) -> tuple[Columns, Columns]:
    """Of the table of numbers, which has booleans too, and of that of strings."""
    choose_all_of(cursor, [organization_id])
    parameters: dict[str, object] = {"from": span[0], "to": span[1], "most": limit + 1}
    found: list[Columns] = []
    with partitions.pinned((tier, *span)) as (files,):
        if not files:
            nothing = dict.fromkeys(_COLUMNS, np.empty(0))
            return nothing, nothing
        for table in KEPT_TABLES[tier]:
            reads = " UNION ALL ".join(
                "SELECT * " + _MINE.format(file=file.name, table=table, time=TIME_COLUMN[tier]) for file in files
            )
            found.append(fetched(cursor, _ROWS.format(reads=reads), parameters))
            if sum(len(columns["sid"]) for columns in found) > limit:
                raise too_large(limit)
    return found[0], found[1]


def _series(
    cursor: duckdb.DuckDBPyConnection, sids: NDArray[np.int32]
) -> tuple[tuple[SeriesKey, ...], NDArray[np.int32]]:
    wanted, index = np.unique(sids.astype(np.int32), return_inverse=True)
    with registered(cursor, "wanted_sids", pa.table({"sid": pa.array(wanted, pa.int32())})):
        rows = cursor.execute(_KEYS).fetchall()
    keys = {
        sid: SeriesKey(measurement, tuple(sorted(tags.items())), name, FIELD_CLASS_ORDER[rank])
        for sid, measurement, name, rank, tags in rows
    }
    return tuple(keys[sid] for sid in wanted.tolist()), index.astype(np.int32)


def _numbered(*columns: NDArray[Any]) -> tuple[tuple[str, ...], list[NDArray[np.float64]]]:
    places: dict[str, int] = {}
    numbered = [
        np.array([places.setdefault(word, len(places)) for word in column.tolist()], np.float64) for column in columns
    ]
    return tuple(places), numbered


def _buckets(
    bins: NDArray[Any], counts: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """A window without counts has each of its bins as often as it is named."""
    lengths = [len(each) for each in bins]
    if not sum(lengths):
        nothing = np.empty(0, np.int64)
        return nothing, nothing, nothing
    rows = np.repeat(np.arange(len(lengths)), lengths)
    of_row = [np.ones(n, np.int64) if _is_missing(each) else each for each, n in zip(counts, lengths, strict=True)]
    return merged(rows, np.concatenate(list(bins)).astype(np.int64), np.concatenate(of_row).astype(np.int64))


def _is_missing(value: object) -> bool:
    return value is None or value is np.ma.masked

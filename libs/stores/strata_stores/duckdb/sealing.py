"""A file that nobody should write to any more is written anew by series and time: smaller, and quicker to read."""

import os
from pathlib import Path
from typing import Final

import duckdb

from strata_datamodel.tiers import Tier
from strata_stores.duckdb.partitions import BUILDING, PartitionFile, Partitions, attach, create_tables, sync_directory
from strata_stores.duckdb.periods import file_name
from strata_stores.duckdb.schema import KEPT_TABLES, TIME_COLUMN

_BUILT: Final = "sealing"
# A sort holds all of its rows: as many series are copied at once as have about this many.
_ROWS_AT_ONCE: Final = 4_000_000
_SHARES: Final = """
    SELECT min(sid), max(sid) FROM (
        SELECT sid, (sum(n) OVER (ORDER BY sid) - n) // $most AS share
        FROM (SELECT sid, count(*) AS n FROM {file}.{table} GROUP BY sid)
    ) GROUP BY share ORDER BY share
"""
_COPY: Final = """
    INSERT INTO {built}.{table} FROM {file}.{table} WHERE sid BETWEEN $first AND $last ORDER BY sid, {time}
"""
_COPY_NEWEST: Final = "INSERT INTO {built}.newest_times FROM {file}.newest_times"
_COPY_POSITIONS: Final = """
    INSERT INTO {built}.positions SELECT spool, max(sequence) FROM {file}.positions GROUP BY spool
"""
_SEAL: Final = "INSERT INTO {built}.seals VALUES (true)"


def build_sealed(cursor: duckdb.DuckDBPyConnection, partitions: Partitions, file: PartitionFile) -> PartitionFile:
    """Its successor, complete and on disk, which nobody finds before it has its name."""
    successor = PartitionFile(
        file.period, file.generation + 1, partitions.directory / file_name(file.period, file.generation + 1)
    )
    building = _building(successor)
    building.unlink(missing_ok=True)
    cursor.execute(f"DETACH DATABASE IF EXISTS {_BUILT}")
    attach(cursor, building, _BUILT)
    try:
        create_tables(cursor, file.period.tier, _BUILT)
        _copy(cursor, file)
    finally:
        cursor.execute(f"DETACH DATABASE IF EXISTS {_BUILT}")
    with building.open("rb") as built:
        os.fsync(built.fileno())
    return successor


def put_in_place(partitions: Partitions, file: PartitionFile, successor: PartitionFile) -> None:
    """While nobody writes. After a kill between the two, the higher generation is taken."""
    _building(successor).replace(successor.path)
    sync_directory(partitions.directory)
    partitions.replace(file, successor)


def discard(successor: PartitionFile) -> None:
    _building(successor).unlink(missing_ok=True)


def _copy(cursor: duckdb.DuckDBPyConnection, file: PartitionFile) -> None:
    tier = file.period.tier
    for table in KEPT_TABLES[tier]:
        copy = _COPY.format(built=_BUILT, file=file.name, table=table, time=TIME_COLUMN[tier])
        shares = cursor.execute(_SHARES.format(file=file.name, table=table), {"most": _ROWS_AT_ONCE}).fetchall()
        for first, last in shares:
            cursor.execute(copy, {"first": first, "last": last})
    if tier is Tier.RAW:
        for statement in (_COPY_NEWEST, _COPY_POSITIONS):
            cursor.execute(statement.format(built=_BUILT, file=file.name))
    cursor.execute(_SEAL.format(built=_BUILT))


def _building(successor: PartitionFile) -> Path:
    return successor.path.with_name(successor.path.name + BUILDING)

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
# A sort holds all of its rows, and those of windows are long: series are copied so many rows at a time.
_ROWS_AT_ONCE: Final = {tier: 4_000_000 if tier is Tier.RAW else 250_000 for tier in Tier}
# Of a block of DuckDB's usual 256 KiB a seventh stays empty with typical numbers, and less than 64 KiB turns their
# compression off.
_BLOCK_BYTES: Final = 64 * 1024
_SHARES: Final = """
    SELECT min(sid), max(sid) FROM (
        SELECT sid, (sum(n) OVER (ORDER BY sid) - n) // $most AS share
        FROM (SELECT sid, count(*) AS n FROM {file}.{table} GROUP BY sid)
    ) GROUP BY share ORDER BY share
"""
# DuckDB packs 2,048 values of a column at once. Even times of one series take no space then; where a series ends among
# them, all get as wide as the jump. So whole packs come first, and then the remains, each other series' backwards.
_PACKED: Final = """
    SELECT * EXCLUDE (place, rows), place // 2048 < rows // 2048 AS is_whole FROM (
        SELECT *, row_number() OVER times - 1 AS place, count(*) OVER (PARTITION BY sid) AS rows
        FROM {file}.{table} WHERE sid BETWEEN $first AND $last WINDOW times AS (PARTITION BY sid ORDER BY {time})
    )
"""
_COPY_WHOLE: Final = """
    INSERT INTO {built}.{table} SELECT * EXCLUDE (is_whole) FROM ({packed}) WHERE is_whole ORDER BY sid, {time}
"""
_COPY_REMAINS: Final = """
    INSERT INTO {built}.{table} SELECT * EXCLUDE (is_whole) FROM ({packed}) WHERE NOT is_whole
    ORDER BY sid, CASE WHEN sid % 2 = 0 THEN {time} ELSE ~{time} END
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
    attach(cursor, building, _BUILT, block_bytes=_BLOCK_BYTES)
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
        names = {"file": file.name, "table": table, "time": TIME_COLUMN[tier]}
        shares = cursor.execute(_SHARES.format(**names), {"most": _ROWS_AT_ONCE[tier]}).fetchall()
        for copy in (_COPY_WHOLE, _COPY_REMAINS):
            statement = copy.format(built=_BUILT, packed=_PACKED.format(**names), **names)
            for first, last in shares:
                cursor.execute(statement, {"first": first, "last": last})
    if tier is Tier.RAW:
        for statement in (_COPY_NEWEST, _COPY_POSITIONS):
            cursor.execute(statement.format(built=_BUILT, file=file.name))
    cursor.execute(_SEAL.format(built=_BUILT))


def _building(successor: PartitionFile) -> Path:
    return successor.path.with_name(successor.path.name + BUILDING)

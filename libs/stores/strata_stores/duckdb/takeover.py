"""A store that is one file becomes one of many, at its first opening."""

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import duckdb

from strata_datamodel.tiers import Tier
from strata_stores.duckdb.frames import single_value
from strata_stores.duckdb.partitions import BUILDING, attach, create_tables, sync_directory
from strata_stores.duckdb.periods import Period, file_name, named, period_of
from strata_stores.duckdb.schema import CATALOGUE_TABLES, KEPT_TABLES, POINT_TABLES

CATALOGUE_FILE: Final = "catalogue.duckdb"
_SINGLE_FILE: Final = "metrics.duckdb"

_NEXT: Final = """
    SELECT min(ts_ns) FROM (SELECT ts_ns FROM points UNION ALL SELECT ts_ns FROM text_points) WHERE ts_ns > $after
"""
_MOVE: Final = """
    INSERT INTO moved.{table} SELECT sid, ts_ns, v FROM {table} WHERE ts_ns BETWEEN $from AND $last ORDER BY sid, ts_ns
"""
_NEWEST: Final = """
    INSERT INTO moved.newest_times SELECT sid, max(ts_ns) FROM (
        SELECT sid, ts_ns FROM moved.points UNION ALL SELECT sid, ts_ns FROM moved.text_points
    ) GROUP BY sid
"""


def take_over(directory: Path, settings: Mapping[str, str | bool | int | float | list[str]]) -> None:
    """For as long as it takes: under a time limit, a large store could never be opened. The name that the catalogue
    gets in the end says that all was moved; a kill before it leaves the single file as it was."""
    single, catalogue = directory / _SINGLE_FILE, directory / CATALOGUE_FILE
    if not single.exists():
        return
    if not catalogue.exists():
        building = directory / (CATALOGUE_FILE + BUILDING)
        with closing(duckdb.connect(str(single), config=dict(settings))) as connection:
            _clear(directory)
            _complete(connection)
            _move_catalogue(connection, building)
            _move_points(connection, directory)
        building.replace(catalogue)
        sync_directory(directory)
    for name in (_SINGLE_FILE, _SINGLE_FILE + ".wal"):
        (directory / name).unlink(missing_ok=True)


def _clear(directory: Path) -> None:
    """What an attempt before this one made."""
    for path in directory.iterdir():
        if path.name.startswith(CATALOGUE_FILE) or named(path.name.removesuffix(".wal")):
            path.unlink()


def _complete(connection: duckdb.DuckDBPyConnection) -> None:
    """One that was just being made when its process was killed lacks some tables."""
    for statement in (*CATALOGUE_TABLES, *POINT_TABLES):
        connection.execute(statement.format(file="metrics"))


def _move_catalogue(connection: duckdb.DuckDBPyConnection, building: Path) -> None:
    attach(connection, building, "building")
    connection.execute("USE building")
    for statement in CATALOGUE_TABLES:
        connection.execute(statement)
    connection.execute("USE metrics")
    for table in ("series", "positions"):
        connection.execute(f"INSERT INTO building.{table} BY NAME FROM {table}")
    connection.execute("DETACH building")
    with building.open("rb") as file:
        os.fsync(file.fileno())


def _move_points(connection: duckdb.DuckDBPyConnection, directory: Path) -> None:
    after_ns = -(2**63)
    while (first_ns := single_value(connection, _NEXT, {"after": after_ns})) is not None:
        period = period_of(Tier.RAW, first_ns)
        _move_period(connection, directory, period)
        after_ns = period.last_ns


def _move_period(connection: duckdb.DuckDBPyConnection, directory: Path, period: Period) -> None:
    attach(connection, directory / file_name(period, 0), "moved")
    create_tables(connection, Tier.RAW, "moved")
    connection.begin()
    for table in KEPT_TABLES[Tier.RAW]:
        connection.execute(_MOVE.format(table=table), {"from": period.from_ns, "last": period.last_ns})
    connection.execute(_NEWEST)
    connection.commit()
    connection.execute("DETACH moved")

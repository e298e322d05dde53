"""Columns handed to a statement, and columns taken from one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]


def fetched(cursor: duckdb.DuckDBPyConnection, statement: str, parameters: dict[str, object]) -> Columns:
    columns: Columns = cursor.execute(statement, parameters).fetchnumpy()
    return columns


def fetched_many(cursor: duckdb.DuckDBPyConnection, statement: str, parameters: dict[str, object]) -> Columns:
    """The same by way of Arrow, which takes half the time for a million rows."""
    table = cursor.sql(statement, params=parameters).to_arrow_table()
    return {name: table[name].to_numpy() for name in table.column_names}


def single_value(cursor: duckdb.DuckDBPyConnection, statement: str, parameters: dict[str, object] | None = None) -> Any:
    """Of a statement that answers one row of one column. All is fetched: DuckDB 2.0 lets a connection do nothing else,
    not even begin a transaction, while a result has rows left to ask for."""
    ((value,),) = cursor.execute(statement, parameters).fetchall()
    return value


@contextmanager
def registered(cursor: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> Iterator[None]:
    """The table can be read by this name, by this cursor alone. After an error the cursor is only good for closing."""
    cursor.register(name, table)
    yield
    cursor.unregister(name)

"""All or nothing, in one file."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from strata_stores.duckdb.frames import single_value
from strata_stores.duckdb.partitions import PartitionFile

_UNSEAL: Final = "DELETE FROM {file}.seals"
_SEALED: Final = "SELECT count(*) FROM {file}.seals"


def is_sealed(cursor: duckdb.DuckDBPyConnection, file: PartitionFile) -> bool:
    return bool(single_value(cursor, _SEALED.format(file=file.name)))


@contextmanager
def transaction(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Left open by an error: closing the cursor rolls it back."""
    cursor.begin()
    yield
    cursor.commit()


@contextmanager
def changing(cursor: duckdb.DuckDBPyConnection, file: PartitionFile, *, is_sealed: bool = True) -> Iterator[None]:
    """A transaction that may write to this file and to no other. If it was sealed, it no longer is."""
    file.is_known_sealed = False
    with transaction(cursor):
        if is_sealed:
            cursor.execute(_UNSEAL.format(file=file.name))
        yield
    file.changes += 1

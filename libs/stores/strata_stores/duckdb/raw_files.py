"""What the one writer knows of the raw files; rebuilt from them at start and after any failure."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import duckdb

from strata_datamodel.spooling import SpoolPosition
from strata_datamodel.tiers import Tier
from strata_stores.duckdb.catalogue import Catalogue
from strata_stores.duckdb.doubles import NewestTimes
from strata_stores.duckdb.newest import StoredTimes, load_newest
from strata_stores.duckdb.partitions import PartitionFile, Partitions
from strata_stores.duckdb.periods import Period
from strata_stores.duckdb.transactions import is_sealed

_MOST_REMEMBERED: Final = 16
# A new row a commit, of which the highest counts: an update in its place made a commit of 15,000 points twice as slow.
_POSITIONS_KEPT: Final = 4096
_POSITIONS: Final = "SELECT spool, max(sequence) FROM {table} GROUP BY spool"
_INSERT: Final = "INSERT INTO {table} VALUES ($spool::UUID, $sequence)"
_DELETE_OLDER: Final = "DELETE FROM {table} WHERE spool = $spool::UUID AND sequence < $sequence"


@dataclass(slots=True)
class FileState:
    newest: NewestTimes
    stored: StoredTimes
    is_sealed: bool


@dataclass(slots=True)
class WriterState:
    catalogue: Catalogue
    positions: dict[UUID, int]
    _files: OrderedDict[Period, FileState] = field(default_factory=OrderedDict)

    @staticmethod
    def load(cursor: duckdb.DuckDBPyConnection, partitions: Partitions) -> "WriterState":
        positions = positions_in(cursor, "positions")
        for file in partitions.each(Tier.RAW):
            for spool, sequence in positions_in(cursor, f"{file.name}.positions").items():
                positions[spool] = max(sequence, positions.get(spool, sequence))
        return WriterState(Catalogue.load(cursor), positions)

    def holds(self, source: SpoolPosition | None) -> bool:
        return source is not None and source.sequence <= self.positions.get(source.spool_id, source.sequence - 1)

    def of(self, cursor: duckdb.DuckDBPyConnection, file: PartitionFile) -> FileState:
        state = self._files.get(file.period)
        if state is None:
            state = FileState(*load_newest(cursor, file.name), is_sealed(cursor, file))
            self._files[file.period] = state
            while len(self._files) > _MOST_REMEMBERED:
                self._files.popitem(last=False)
        self._files.move_to_end(file.period)
        return state

    def forget(self, period: Period) -> None:
        """The file of it is another one now, or none."""
        self._files.pop(period, None)


def move_position(cursor: duckdb.DuckDBPyConnection, table: str, source: SpoolPosition) -> None:
    parameters = {"spool": str(source.spool_id), "sequence": source.sequence}
    cursor.execute(_INSERT.format(table=table), parameters)
    if source.sequence % _POSITIONS_KEPT == 0:
        cursor.execute(_DELETE_OLDER.format(table=table), parameters)


def positions_in(cursor: duckdb.DuckDBPyConnection, table: str) -> dict[UUID, int]:
    return dict(cursor.execute(_POSITIONS.format(table=table)).fetchall())

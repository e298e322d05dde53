"""Files whose time is over go, with the space they took; one that is closed is sealed."""

from collections.abc import Iterator, Mapping
from typing import Final

import duckdb

from strata_datamodel.tiers import Tier
from strata_stores.duckdb.partitions import PartitionFile, Partitions
from strata_stores.duckdb.raw_files import WriterState, positions_in
from strata_stores.duckdb.transactions import is_sealed, transaction

_LATE_NS: Final = 2 * 3_600 * 1_000_000_000
"""So long after its end a file is still written to: by agents that were cut off, and by roll-ups."""


def let_go(
    cursor: duckdb.DuckDBPyConnection,
    partitions: Partitions,
    state: WriterState,
    kept_ns: Mapping[Tier, int],
    now_ns: int,
) -> None:
    """While nobody writes."""
    for file in list(_overdue(partitions, kept_ns, now_ns)):
        if file.period.tier is Tier.RAW:
            _keep_positions(cursor, partitions, file)
            state.forget(file.period)
        partitions.replace(file, None)


def next_to_seal(cursor: duckdb.DuckDBPyConnection, partitions: Partitions, now_ns: int) -> PartitionFile | None:
    for file in partitions.each(*Tier):
        if file.period.last_ns + _LATE_NS >= now_ns:
            continue
        if not file.is_known_sealed and not is_sealed(cursor, file):
            return file
        file.is_known_sealed = True
    return None


def _overdue(partitions: Partitions, kept_ns: Mapping[Tier, int], now_ns: int) -> Iterator[PartitionFile]:
    for file in partitions.all_of(*kept_ns):
        if file.period.last_ns < now_ns - kept_ns[file.period.tier]:
            yield file


def _keep_positions(cursor: duckdb.DuckDBPyConnection, partitions: Partitions, file: PartitionFile) -> None:
    """A spool position counts for all files: it outlives the one it was written to."""
    with partitions.pinned((file.period.tier, file.period.from_ns, file.period.from_ns + 1)) as (files,):
        positions = [positions_in(cursor, f"{each.name}.positions") for each in files]
    with transaction(cursor):
        for spool, sequence in (item for each in positions for item in each.items()):
            parameters = {"spool": str(spool), "sequence": sequence}
            cursor.execute("DELETE FROM positions WHERE spool = $spool::UUID AND sequence <= $sequence", parameters)
            cursor.execute("INSERT INTO positions VALUES ($spool::UUID, $sequence)", parameters)

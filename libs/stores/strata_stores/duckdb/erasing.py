"""Taking series out of the files, with all their points and windows."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final

import duckdb
import pyarrow as pa

from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import TagPair
from strata_datamodel.tiers import Tier
from strata_stores.duckdb.frames import registered, single_value
from strata_stores.duckdb.partitions import PartitionFile, Partitions
from strata_stores.duckdb.raw_files import WriterState
from strata_stores.duckdb.schema import KEPT_TABLES, TIME_COLUMN
from strata_stores.duckdb.transactions import changing, transaction

_ALL_OF: Final = "SELECT sid FROM series WHERE organization IN (SELECT organization::UUID FROM wanted)"
_TAGGED: Final = """
    SELECT DISTINCT series.sid FROM series JOIN wanted_tags ON series.tags[wanted_tags.key] = wanted_tags.value
    WHERE organization = $organization::UUID
"""
_CHOOSE: Final = "CREATE OR REPLACE TEMP TABLE chosen AS "
_COUNT: Final = "SELECT count(*) FROM {file}.{table} SEMI JOIN chosen USING (sid)"
_COUNT_HELD: Final = "SELECT count(*) FROM {file}.{table} AS held JOIN chosen ON held.sid = chosen.sid"
_DELETE: Final = "DELETE FROM {file}.{table} AS held USING chosen WHERE held.sid = chosen.sid"


def choose_all_of(cursor: duckdb.DuckDBPyConnection, organization_ids: Collection[OrganizationId]) -> None:
    """Into a table that only this cursor's connection sees, and that goes with it."""
    wanted = pa.table({"organization": pa.array([str(each) for each in organization_ids], pa.string())})
    with registered(cursor, "wanted", wanted):
        cursor.execute(_CHOOSE + _ALL_OF)


def count_kept(
    cursor: duckdb.DuckDBPyConnection,
    partitions: Partitions,
    tiers: Collection[Tier],
    organization_id: OrganizationId,
    tags: Sequence[TagPair] | None = None,
) -> int:
    """Points or windows of series with one of the tags; None means all."""
    _choose(cursor, organization_id, tags)
    return sum(_count_chosen(cursor, file) for file in partitions.each(*tiers))


def delete_series(
    cursor: duckdb.DuckDBPyConnection,
    partitions: Partitions,
    state: WriterState,
    organization_id: OrganizationId,
    tags: Sequence[TagPair] | None,
) -> None:
    """Those with one of the tags; None means all. Their names go last: what a kill leaves can still be found."""
    _choose(cursor, organization_id, tags)
    if not single_value(cursor, "SELECT count(*) FROM chosen"):
        return
    for file in partitions.each(*Tier):
        if _count_chosen(cursor, file):
            _delete_from(cursor, file)
    with transaction(cursor):
        cursor.execute("DELETE FROM series USING chosen WHERE series.sid = chosen.sid")
    state.catalogue.forget(organization_id)
    _checkpoint(cursor, "catalogue")


def delete_older(cursor: duckdb.DuckDBPyConnection, file: PartitionFile, before_ns: int) -> None:
    """Of the chosen series. A file that has nothing of them stays sealed."""
    tier = file.period.tier
    older, before = f" AND held.{TIME_COLUMN[tier]} < $before", dict[str, object](before=before_ns)
    counts = (_COUNT_HELD.format(file=file.name, table=table) + older for table in KEPT_TABLES[tier])
    if not any(single_value(cursor, count, before) for count in counts):
        return
    with changing(cursor, file):
        for table in KEPT_TABLES[tier]:
            cursor.execute(_DELETE.format(file=file.name, table=table) + older, before)


def _count_chosen(cursor: duckdb.DuckDBPyConnection, file: PartitionFile) -> int:
    counts = (_COUNT.format(file=file.name, table=table) for table in KEPT_TABLES[file.period.tier])
    return sum(single_value(cursor, count) for count in counts)


def _delete_from(cursor: duckdb.DuckDBPyConnection, file: PartitionFile) -> None:
    tier = file.period.tier
    with changing(cursor, file):
        for table in (*KEPT_TABLES[tier], *(("newest_times",) if tier is Tier.RAW else ())):
            cursor.execute(_DELETE.format(file=file.name, table=table))
    _checkpoint(cursor, file.name)


def _checkpoint(cursor: duckdb.DuckDBPyConnection, file: str) -> None:
    """Then the space is free for others, but while somebody reads: then with the next one."""
    with suppress(duckdb.TransactionException):
        cursor.execute(f"CHECKPOINT {file}")


def _choose(cursor: duckdb.DuckDBPyConnection, organization_id: OrganizationId, tags: Sequence[TagPair] | None) -> None:
    if tags is None:
        choose_all_of(cursor, [organization_id])
        return
    keys, values = [key for key, _ in tags], [value for _, value in tags]
    wanted = pa.table({"key": pa.array(keys, pa.string()), "value": pa.array(values, pa.string())})
    with registered(cursor, "wanted_tags", wanted):
        cursor.execute(_CHOOSE + _TAGGED, {"organization": str(organization_id)})

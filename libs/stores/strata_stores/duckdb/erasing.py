"""Taking series out of the file, with all their points."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import duckdb
import pyarrow as pa

from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import TagPair
from strata_stores.duckdb.frames import registered, single_value
from strata_stores.duckdb.writing import WriterState, transaction

_ALL_OF: Final = "SELECT sid FROM series WHERE organization = $organization::UUID"
_TAGGED: Final = """
    SELECT DISTINCT series.sid FROM series JOIN wanted_tags ON series.tags[wanted_tags.key] = wanted_tags.value
    WHERE organization = $organization::UUID
"""
_CHOOSE: Final = "CREATE OR REPLACE TEMP TABLE chosen AS "
_COUNTS: Final = (
    "SELECT count(*) FROM points SEMI JOIN chosen USING (sid)",
    "SELECT count(*) FROM text_points SEMI JOIN chosen USING (sid)",
)
_DELETIONS: Final = (
    "DELETE FROM newest_times USING chosen WHERE newest_times.sid = chosen.sid",
    "DELETE FROM points USING chosen WHERE points.sid = chosen.sid",
    "DELETE FROM text_points USING chosen WHERE text_points.sid = chosen.sid",
    "DELETE FROM series USING chosen WHERE series.sid = chosen.sid",
)


def count_points(
    cursor: duckdb.DuckDBPyConnection, organization_id: OrganizationId, tags: Sequence[TagPair] | None
) -> int:
    """Of series with one of the tags; None means all."""
    _choose(cursor, organization_id, tags)
    return sum(single_value(cursor, count) for count in _COUNTS)


def delete_points(
    cursor: duckdb.DuckDBPyConnection,
    state: WriterState,
    organization_id: OrganizationId,
    tags: Sequence[TagPair] | None,
) -> None:
    """Of series with one of the tags; None means all. Their space is free for others when this returns, but while
    somebody reads: then with the next checkpoint."""
    _choose(cursor, organization_id, tags)
    with transaction(cursor):
        for statement in _DELETIONS:
            cursor.execute(statement)
    state.catalogue.forget(organization_id)
    with suppress(duckdb.TransactionException):
        cursor.execute("CHECKPOINT")


def _choose(cursor: duckdb.DuckDBPyConnection, organization_id: OrganizationId, tags: Sequence[TagPair] | None) -> None:
    """Into a table that only this cursor's connection sees, and that goes with it."""
    parameters = {"organization": str(organization_id)}
    if tags is None:
        cursor.execute(_CHOOSE + _ALL_OF, parameters)
        return
    keys, values = [key for key, _ in tags], [value for _, value in tags]
    wanted = pa.table({"key": pa.array(keys, pa.string()), "value": pa.array(values, pa.string())})
    with registered(cursor, "wanted_tags", wanted):
        cursor.execute(_CHOOSE + _TAGGED, parameters)

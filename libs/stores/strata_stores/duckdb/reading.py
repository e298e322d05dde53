"""Points as they are kept, of series that are named one by one."""

from collections.abc import Sequence
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from strata_core.metrics.rules import too_many_points
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FieldClass, Readings, SeriesKey
from strata_datamodel.tiers import Stretch, Tier
from strata_stores.duckdb.catalogue import stored_sids
from strata_stores.duckdb.frames import Columns, fetched_many, registered
from strata_stores.duckdb.partitions import PartitionFile, Partitions
from strata_stores.duckdb.schema import KEPT_TABLES

_POINTS: Final = (
    "SELECT place, ts_ns, v FROM {file}.{table} JOIN asked USING (sid) WHERE ts_ns >= {low} AND ts_ns < {high}"
)
_LAST: Final = """
    SELECT place, last_ns AS ts_ns, last AS v FROM {file}.{table} JOIN asked USING (sid)
    WHERE start_ns >= {low} AND start_ns < {high}
"""
_FEW: Final = "FROM ({read}) LIMIT $most"


def read_points(
    cursor: duckdb.DuckDBPyConnection,
    partitions: Partitions,
    organization_id: OrganizationId,
    series: Sequence[SeriesKey],
    stretches: Sequence[Stretch],
    limit: int,
) -> Readings:
    is_text = any(key.field_class is FieldClass.STRING for key in series)
    sids = stored_sids(cursor, organization_id, series)
    asked = pa.table({"sid": pa.array(sids.values(), pa.int32()), "place": pa.array(sids.keys(), pa.int32())})
    parameters: dict[str, object] = {"most": limit + 1}
    with (
        partitions.pinned(*((each.tier, each.from_ns, each.to_ns) for each in stretches)) as found,
        registered(cursor, "asked", asked),
    ):
        reads = []
        for number, (stretch, files) in enumerate(zip(stretches, found, strict=True)):
            reads += [_read(file, number, is_text=is_text) for file in files]
            if files:
                parameters |= {f"from{number}": stretch.from_ns, f"to{number}": stretch.to_ns}
        if not reads or not sids:
            nothing = np.empty(0)
            return Readings(tuple(series), nothing.astype(np.int32), nothing.astype(np.int64), nothing)
        columns = fetched_many(cursor, _FEW.format(read=" UNION ALL ".join(reads)), parameters)
    if len(columns["ts_ns"]) > limit:
        raise too_many_points(limit)
    columns = _in_order(columns)
    if not is_text:
        return Readings(tuple(series), columns["place"], columns["ts_ns"], columns["v"])
    words = dict.fromkeys(columns["v"].tolist())
    numbers = {word: number for number, word in enumerate(words)}
    values = np.array([numbers[word] for word in columns["v"].tolist()], np.float64)
    return Readings(tuple(series), columns["place"], columns["ts_ns"], values, tuple(words))


def _in_order(columns: Columns) -> Columns:
    """By series and time. Files hold points nearly so, which this sort makes use of, and DuckDB's does not."""
    place, times = columns["place"], columns["ts_ns"]
    order = np.argsort(place, kind="stable")
    by_place, by_time = place[order], times[order]
    if ((by_place[1:] == by_place[:-1]) & (by_time[1:] < by_time[:-1])).any():
        order = np.lexsort((times, place))
    return {name: column[order] for name, column in columns.items()}


def _read(file: PartitionFile, number: int, *, is_text: bool) -> str:
    tier = file.period.tier
    template = _POINTS if tier is Tier.RAW else _LAST
    return template.format(file=file.name, table=KEPT_TABLES[tier][is_text], low=f"$from{number}", high=f"$to{number}")

"""A tier's windows out of the tier above it: one statement for all series, a slice of time in one transaction."""

from collections.abc import Iterator
from typing import Final

import duckdb

from strata_datamodel.tiers import ABOVE, RESOLUTION_NS, RolledUp, Tier
from strata_stores.duckdb.frames import single_value
from strata_stores.duckdb.histogram import BIN
from strata_stores.duckdb.partitions import PartitionFile, Partitions
from strata_stores.duckdb.periods import period_of
from strata_stores.duckdb.schema import KEPT_TABLES, TIME_COLUMN
from strata_stores.duckdb.transactions import changing

_HOUR_NS: Final = 3_600 * 1_000_000_000

# Each is a whole part of the tier's periods.
_SLICE_NS: Final = {Tier.MINUTE: _HOUR_NS, Tier.FIVE_MINUTES: 6 * _HOUR_NS, Tier.HOUR: 24 * _HOUR_NS}

# What a statement keeps in memory is bounded by how much it reads: a window weighs as much as its bins.
_MOST_ROWS: Final = {Tier.RAW: 4_000_000, Tier.MINUTE: 500_000, Tier.FIVE_MINUTES: 250_000}

_CHOSEN: Final = " AND sid IN (SELECT sid FROM chosen)"
_COUNT: Final = "SELECT count(*) FROM {file}.{table} WHERE {time} >= $from AND {time} < $to{chosen}"
_DELETE: Final = "DELETE FROM {file}.{table} WHERE start_ns >= $from AND start_ns < $to{chosen}"
_READ: Final = """
    SELECT *, $from + ({time} - $from) // $window * $window AS opened
    FROM {file}.{table} WHERE {time} >= $from AND {time} < $to{chosen}
"""

# In order, so that a question for one series skips most row groups. A fall is a restart from zero; what rose between
# two windows belongs to neither.
_NUMBERS_OF_POINTS: Final = """
    INSERT INTO {target}.windows
    SELECT sid, opened, count(*), sum(v), min(v), max(v), arg_min(v, ts_ns), min(ts_ns), arg_max(v, ts_ns), max(ts_ns),
        coalesce(sum(CASE WHEN before_ns >= opened THEN CASE WHEN v >= before THEN v - before ELSE v END END), 0),
        list({bin}), NULL
    FROM (
        SELECT *, lag(v) OVER readings AS before, lag(ts_ns) OVER readings AS before_ns
        FROM ({read}) WINDOW readings AS (PARTITION BY sid ORDER BY ts_ns)
    ) GROUP BY sid, opened ORDER BY sid, opened
"""
_NUMBERS_OF_WINDOWS: Final = """
    INSERT INTO {target}.windows
    WITH read AS MATERIALIZED ({read}), folded AS (
        SELECT sid, opened, sum(n)::BIGINT AS n, sum(total) AS total, min(least) AS least, max(most) AS most,
            arg_min(first, first_ns) AS first, min(first_ns) AS first_ns,
            arg_max(last, last_ns) AS last, max(last_ns) AS last_ns,
            sum(rise + CASE WHEN before_ns >= opened THEN CASE WHEN first >= before THEN first - before ELSE first END
                ELSE 0 END) AS rise
        FROM (
            SELECT *, lag(last) OVER readings AS before, lag(last_ns) OVER readings AS before_ns
            FROM read WINDOW readings AS (PARTITION BY sid ORDER BY start_ns)
        ) GROUP BY sid, opened
    ), binned AS (
        SELECT sid, opened, list(bin) AS bins, list(n) AS counts FROM (
            SELECT sid, opened, bin, sum(coalesce(n, 1))::INTEGER AS n
            FROM (SELECT sid, opened, unnest(bins) AS bin, unnest(counts) AS n FROM read) GROUP BY sid, opened, bin
        ) GROUP BY sid, opened
    )
    SELECT sid, opened, n, total, least, most, first, first_ns, last, last_ns, rise, bins, counts
    FROM folded JOIN binned USING (sid, opened) ORDER BY sid, opened
"""
_TEXTS_OF_POINTS: Final = """
    INSERT INTO {target}.text_windows
    SELECT sid, opened, count(*), arg_min(v, ts_ns), min(ts_ns), arg_max(v, ts_ns), max(ts_ns)
    FROM ({read}) GROUP BY sid, opened
"""
_TEXTS_OF_WINDOWS: Final = """
    INSERT INTO {target}.text_windows
    SELECT sid, opened, sum(n)::BIGINT, arg_min(first, first_ns), min(first_ns), arg_max(last, last_ns), max(last_ns)
    FROM ({read}) GROUP BY sid, opened
"""


def slices(tier: Tier, from_ns: int, to_ns: int) -> Iterator[tuple[int, int]]:
    """Parts of the range, each within one period of the tier."""
    while from_ns < to_ns:
        end_ns = min(to_ns, (from_ns // _SLICE_NS[tier] + 1) * _SLICE_NS[tier])
        yield from_ns, end_ns
        from_ns = end_ns


def roll_up_slice(
    cursor: duckdb.DuckDBPyConnection, partitions: Partitions, tier: Tier, from_ns: int, to_ns: int, *, of_chosen: bool
) -> RolledUp:
    above, chosen = ABOVE[tier], _CHOSEN if of_chosen else ""
    bounds = {"from": from_ns, "to": to_ns}
    with partitions.pinned((above, from_ns, to_ns)) as (sources,):
        counted = [_count(cursor, sources, place, bounds, chosen) for place in range(len(KEPT_TABLES[above]))]
        if not any(counted) and not partitions.overlapping(tier, from_ns, to_ns):
            return RolledUp(0, 0)
        middle_ns = from_ns + (to_ns - from_ns) // 2 // RESOLUTION_NS[tier] * RESOLUTION_NS[tier]
        if sum(counted) > _MOST_ROWS[above] and middle_ns > from_ns:
            halves = ((from_ns, middle_ns), (middle_ns, to_ns))
            done = [roll_up_slice(cursor, partitions, tier, *half, of_chosen=of_chosen) for half in halves]
            return RolledUp(sum(each.points for each in done), sum(each.windows for each in done))
        with partitions.pinned_or_new(period_of(tier, from_ns)) as target, changing(cursor, target):
            windows = 0
            for place, count in enumerate(counted):
                _delete(cursor, target, place, bounds, chosen)
                if count:
                    windows += _fill(cursor, target, sources, place, bounds, chosen)
    return RolledUp(sum(counted), windows)


def _count(
    cursor: duckdb.DuckDBPyConnection, sources: list[PartitionFile], place: int, bounds: dict[str, int], chosen: str
) -> int:
    return sum(
        single_value(
            cursor,
            _COUNT.format(
                file=file.name,
                table=KEPT_TABLES[file.period.tier][place],
                time=TIME_COLUMN[file.period.tier],
                chosen=chosen,
            ),
            dict(bounds),
        )
        for file in sources
    )


def _delete(
    cursor: duckdb.DuckDBPyConnection, target: PartitionFile, place: int, bounds: dict[str, int], chosen: str
) -> None:
    table = KEPT_TABLES[target.period.tier][place]
    cursor.execute(_DELETE.format(file=target.name, table=table, chosen=chosen), bounds)


def _fill(
    cursor: duckdb.DuckDBPyConnection,
    target: PartitionFile,
    sources: list[PartitionFile],
    place: int,
    bounds: dict[str, int],
    chosen: str,
) -> int:
    above = ABOVE[target.period.tier]
    fills = (_NUMBERS_OF_POINTS, _TEXTS_OF_POINTS) if above is Tier.RAW else (_NUMBERS_OF_WINDOWS, _TEXTS_OF_WINDOWS)
    read = " UNION ALL ".join(
        _READ.format(file=file.name, table=KEPT_TABLES[above][place], time=TIME_COLUMN[above], chosen=chosen)
        for file in sources
    )
    statement = fills[place].format(target=target.name, read=read, bin=BIN)
    return int(single_value(cursor, statement, {**bounds, "window": RESOLUTION_NS[target.period.tier]}))

"""Where a tier's windows are not those that the tier above gives."""

from collections import Counter
from typing import Final

import duckdb

from strata_datamodel.tiers import ABOVE, RESOLUTION_NS, Gap, Tier
from strata_stores.duckdb.partitions import PartitionFile, Partitions
from strata_stores.duckdb.schema import KEPT_TABLES, TIME_COLUMN

_HOUR_NS: Final = 3_600 * 1_000_000_000
_NOTHING: Final = "SELECT 0 AS sid, 0::BIGINT AS at_ns, 0::BIGINT AS n WHERE $from > $to"
_READ: Final = """
    SELECT sid, {time} AS at_ns, {count} AS n FROM {file}.{table} SEMI JOIN chosen USING (sid)
    WHERE {time} >= $from AND {time} < $to
"""
_COMPARE: Final = """
    WITH above AS (
        SELECT sid, $from + (at_ns - $from) // $window * $window AS start, sum(n) AS n FROM ({above}) GROUP BY ALL
    ), below AS (SELECT sid, at_ns AS start, n FROM ({below}))
    SELECT (start - $from) // $hour, count(*) FROM above FULL JOIN below USING (sid, start)
    WHERE above.n IS DISTINCT FROM below.n GROUP BY ALL
"""


def gaps_of_chosen(
    cursor: duckdb.DuckDBPyConnection, partitions: Partitions, tier: Tier, from_ns: int, to_ns: int
) -> tuple[Gap, ...]:
    first_ns = from_ns - from_ns % _HOUR_NS
    parameters = {"from": first_ns, "to": to_ns, "window": RESOLUTION_NS[tier], "hour": _HOUR_NS}
    wrong: Counter[int] = Counter()
    with partitions.pinned((ABOVE[tier], first_ns, to_ns), (tier, first_ns, to_ns)) as (above, below):
        for place in range(len(KEPT_TABLES[tier])):
            statement = _COMPARE.format(above=_read(above, place), below=_read(below, place))
            wrong.update(dict(cursor.execute(statement, parameters).fetchall()))
    return tuple(
        Gap(first_ns + hour * _HOUR_NS, first_ns + (hour + 1) * _HOUR_NS, wrong[hour]) for hour in sorted(wrong)
    )


def _read(files: list[PartitionFile], place: int) -> str:
    reads = (
        _READ.format(
            file=file.name,
            table=KEPT_TABLES[file.period.tier][place],
            time=TIME_COLUMN[file.period.tier],
            count="1" if file.period.tier is Tier.RAW else "n",
        )
        for file in files
    )
    return " UNION ALL ".join(reads) or _NOTHING

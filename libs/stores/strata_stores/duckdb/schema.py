"""The tables of the metrics files."""

from collections.abc import Mapping
from typing import Final

from strata_datamodel.tiers import Tier

# No indexes: they would be kept in memory and slow each insert, while row group statistics already skip what a query
# leaves out.
CATALOGUE_TABLES: Final = (
    """
    CREATE TABLE IF NOT EXISTS series (
        sid INTEGER NOT NULL, digest BLOB NOT NULL, organization UUID NOT NULL, measurement VARCHAR NOT NULL,
        field VARCHAR NOT NULL, class TINYINT NOT NULL, tags MAP(VARCHAR, VARCHAR) NOT NULL
    )
    """,
    "CREATE TABLE IF NOT EXISTS positions (spool UUID NOT NULL, sequence BIGINT NOT NULL)",
)

# A table for each kind of value: almost all points are numbers, and theirs stays three plain columns.
POINT_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS {file}.points (sid INTEGER NOT NULL, ts_ns BIGINT NOT NULL, v DOUBLE NOT NULL)",
    "CREATE TABLE IF NOT EXISTS {file}.text_points (sid INTEGER NOT NULL, ts_ns BIGINT NOT NULL, v VARCHAR NOT NULL)",
)
_SEALS: Final = "CREATE TABLE IF NOT EXISTS {file}.seals (is_sealed BOOLEAN NOT NULL)"
_RAW_TABLES: Final = (
    *POINT_TABLES,
    "CREATE TABLE IF NOT EXISTS {file}.positions (spool UUID NOT NULL, sequence BIGINT NOT NULL)",
    # No point of a series in this file is newer. Without it, a start would have to read all points.
    "CREATE TABLE IF NOT EXISTS {file}.newest_times (sid INTEGER NOT NULL, ts_ns BIGINT NOT NULL)",
    _SEALS,
)
_WINDOW_TABLES: Final = (
    """
    CREATE TABLE IF NOT EXISTS {file}.windows (
        sid INTEGER NOT NULL, start_ns BIGINT NOT NULL, n BIGINT NOT NULL, total DOUBLE NOT NULL, least DOUBLE NOT NULL,
        most DOUBLE NOT NULL, first DOUBLE NOT NULL, first_ns BIGINT NOT NULL, last DOUBLE NOT NULL,
        last_ns BIGINT NOT NULL, rise DOUBLE NOT NULL, bins INTEGER[] NOT NULL, counts INTEGER[]
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS {file}.text_windows (
        sid INTEGER NOT NULL, start_ns BIGINT NOT NULL, n BIGINT NOT NULL, first VARCHAR NOT NULL,
        first_ns BIGINT NOT NULL, last VARCHAR NOT NULL, last_ns BIGINT NOT NULL
    )
    """,
    _SEALS,
)
TABLES: Final[Mapping[Tier, tuple[str, ...]]] = {
    tier: _RAW_TABLES if tier is Tier.RAW else _WINDOW_TABLES for tier in Tier
}

NUMBERS, TEXTS = "points", "text_points"
KEPT_TABLES: Final[Mapping[Tier, tuple[str, str]]] = {
    tier: (NUMBERS, TEXTS) if tier is Tier.RAW else ("windows", "text_windows") for tier in Tier
}
"""Where a tier keeps numbers, and where strings."""

TIME_COLUMN: Final[Mapping[Tier, str]] = {tier: "ts_ns" if tier is Tier.RAW else "start_ns" for tier in Tier}

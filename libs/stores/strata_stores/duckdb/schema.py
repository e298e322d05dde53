"""The tables of a metrics file."""

from typing import Final

# A table for each kind of value: almost all points are numbers, and theirs stays three plain columns. No indexes:
# they would be kept in memory and slow each insert, while row group statistics already skip what a query leaves out.
TABLES: Final = (
    """
    CREATE TABLE IF NOT EXISTS series (
        sid INTEGER NOT NULL, digest BLOB NOT NULL, organization UUID NOT NULL, measurement VARCHAR NOT NULL,
        field VARCHAR NOT NULL, class TINYINT NOT NULL, tags MAP(VARCHAR, VARCHAR) NOT NULL
    )
    """,
    "CREATE TABLE IF NOT EXISTS points (sid INTEGER NOT NULL, ts_ns BIGINT NOT NULL, v DOUBLE NOT NULL)",
    "CREATE TABLE IF NOT EXISTS text_points (sid INTEGER NOT NULL, ts_ns BIGINT NOT NULL, v VARCHAR NOT NULL)",
    "CREATE TABLE IF NOT EXISTS positions (spool UUID NOT NULL, sequence BIGINT NOT NULL)",
)

POINT_TABLES: Final = ("points", "text_points")

# No point of a series is newer than its newest time here. Without it, a start would have to read all points.
NEWEST_TIMES: Final = "CREATE TABLE newest_times (sid INTEGER NOT NULL, ts_ns BIGINT NOT NULL)"
NEWEST_TIMES_OF_ALL: Final = """
    INSERT INTO newest_times
    SELECT sid, max(ts_ns) FROM points GROUP BY sid UNION ALL SELECT sid, max(ts_ns) FROM text_points GROUP BY sid
    """
HAS_NEWEST_TIMES: Final = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'newest_times'"

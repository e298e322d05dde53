"""Hours and days, summed up in the database from the rows that changed: no row leaves it for that."""

from datetime import timedelta
from typing import Final

from sqlalchemy import Date, cast, delete, func, select, text, tuple_

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import (
    SERVER_HOURS_PER_PASS,
    SERVER_METRICS_DAYS_KEPT_DAYS,
    SERVER_METRICS_HOURS_KEPT_DAYS,
)
from strata_datamodel.server_metrics import LEVELS
from strata_datamodel.tables.server_metrics import server_metric_marks, server_metrics_daily, server_metrics_hourly

SETTLED_AFTER: Final = timedelta(minutes=1)
"""An hour that is still filling is summed up once in this time, however much comes in."""
FORGOTTEN_PER_PASS: Final = 2_000

_NAMES: Final = tuple(f"{name}_{part}" for name in LEVELS for part in ("samples", "sum", "max"))
_COLUMNS: Final = ", ".join(("samples", *_NAMES, "network_in_bytes", "network_out_bytes", "errors"))
_AGAIN: Final = ", ".join(f"{name} = EXCLUDED.{name}" for name in (*_COLUMNS.split(", "), "rolled_at"))
_LEVELS_OF_ROWS: Final = ", ".join(
    f"count({column}) AS {name}_samples, sum({column}) AS {name}_sum, max({column}) AS {name}_max"
    for name, column in LEVELS.items()
)
_LEVELS_OF_HOURS: Final = ", ".join(
    f"sum({name}_samples) AS {name}_samples, sum({name}_sum) AS {name}_sum, max({name}_max) AS {name}_max"
    for name in LEVELS
)
_SAMPLES_OR_NONE: Final = ", ".join(f"COALESCE(l.{name}_samples, 0), l.{name}_sum, l.{name}_max" for name in LEVELS)

_SERIALLY: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
# A counter that fell began again from nothing. What flowed before a server's first row is not known.
_HOURS: Final = text(f"""
    WITH marked AS (
        SELECT * FROM unnest(CAST(:servers AS uuid[]), CAST(:hours AS timestamptz[])) AS marked (server_id, hour)
    ), levels AS (
        SELECT m.server_id, k.hour, count(*) AS samples, {_LEVELS_OF_ROWS}
        FROM marked k JOIN server_metrics m ON m.organization_id = :organization_id AND m.server_id = k.server_id
            AND m.timestamp >= k.hour AND m.timestamp < k.hour + interval '1 hour'
        GROUP BY m.server_id, k.hour
    ), steps AS (
        SELECT m.server_id, k.hour, m.timestamp, c.direction, c.value,
            lag(c.value) OVER (PARTITION BY m.server_id, k.hour, c.direction ORDER BY m.timestamp) AS before
        FROM marked k JOIN server_metrics m ON m.organization_id = :organization_id AND m.server_id = k.server_id
            AND m.timestamp >= k.hour - interval '1 hour' AND m.timestamp < k.hour + interval '1 hour'
        CROSS JOIN LATERAL (VALUES ('in', m.network_in), ('out', m.network_out)) AS c (direction, value)
        WHERE c.value IS NOT NULL
    ), flows AS (
        SELECT server_id, hour, sum(grown) FILTER (WHERE direction = 'in') AS network_in_bytes,
            sum(grown) FILTER (WHERE direction = 'out') AS network_out_bytes
        FROM (SELECT *, CASE WHEN value >= before THEN value - before ELSE value END AS grown FROM steps
            WHERE before IS NOT NULL AND timestamp >= hour) AS s
        GROUP BY server_id, hour
    ), faults AS (
        SELECT e.server_id, k.hour, count(*) AS errors
        FROM marked k JOIN error_logs e ON e.organization_id = :organization_id AND e.server_id = k.server_id
            AND e.timestamp >= k.hour AND e.timestamp < k.hour + interval '1 hour'
        GROUP BY e.server_id, k.hour
    )
    INSERT INTO server_metrics_hourly (organization_id, server_id, hour, {_COLUMNS}, rolled_at)
    SELECT :organization_id, k.server_id, k.hour, COALESCE(l.samples, 0), {_SAMPLES_OR_NONE},
        f.network_in_bytes, f.network_out_bytes, COALESCE(x.errors, 0), app.now()
    FROM marked k LEFT JOIN levels l USING (server_id, hour) LEFT JOIN flows f USING (server_id, hour)
        LEFT JOIN faults x USING (server_id, hour)
    WHERE l.samples > 0 OR x.errors > 0
    ON CONFLICT (organization_id, server_id, hour) DO UPDATE SET {_AGAIN}
""")  # noqa: S608 - made of the names above
_DAYS: Final = text(f"""
    INSERT INTO server_metrics_daily (organization_id, server_id, day, region, {_COLUMNS}, rolled_at)
    SELECT h.organization_id, h.server_id, d.day, max(COALESCE(s.region, '')), sum(samples), {_LEVELS_OF_HOURS},
        sum(network_in_bytes), sum(network_out_bytes), sum(errors), app.now()
    FROM (SELECT DISTINCT server_id, (hour AT TIME ZONE 'UTC')::date AS day
        FROM unnest(CAST(:servers AS uuid[]), CAST(:hours AS timestamptz[])) AS marked (server_id, hour)) AS d
    JOIN server_metrics_hourly h ON h.organization_id = :organization_id AND h.server_id = d.server_id
        AND h.hour >= d.day::timestamp AT TIME ZONE 'UTC' AND h.hour < (d.day + 1)::timestamp AT TIME ZONE 'UTC'
    JOIN hosts s ON s.organization_id = h.organization_id AND s.id = h.server_id
    GROUP BY h.organization_id, h.server_id, d.day
    ON CONFLICT (organization_id, server_id, day) DO UPDATE SET region = EXCLUDED.region, {_AGAIN}
""")  # noqa: S608 - made of the names above


def organizations_marked(uow: UnitOfWork, limit: int) -> list[OrganizationId]:
    """In a system-wide unit: those with hours to sum up."""
    m = server_metric_marks.c
    wanted = select(m.organization_id).where(m.marked_at <= uow.now() - SETTLED_AFTER).distinct().limit(limit)
    return [OrganizationId(row.organization_id) for row in uow.execute(wanted)]


def roll_up(uow: UnitOfWork) -> int:
    """How many of the organization's hours were summed up, and their days with them; at most SERVER_HOURS_PER_PASS. One
    at a time: two would each sum up a day without the hours of the other."""
    organization_id, m = uow.organization_id, server_metric_marks.c
    uow.execute(_SERIALLY, {"name": f"server_metrics {organization_id}"})
    due = select(m.server_id, m.hour).where(
        m.organization_id == organization_id, m.marked_at <= uow.now() - SETTLED_AFTER
    )
    # Rows that are being written hold their mark: their hour is for the next time.
    taken = due.order_by(m.hour, m.server_id).limit(SERVER_HOURS_PER_PASS).with_for_update(skip_locked=True)
    rows = uow.execute(taken).all()
    if not rows:
        return 0
    places = [(row.server_id, row.hour) for row in rows]
    uow.execute(
        delete(server_metric_marks).where(m.organization_id == organization_id, tuple_(m.server_id, m.hour).in_(places))
    )
    servers, hours = ([place[part] for place in places] for part in (0, 1))
    for statement in (_HOURS, _DAYS):
        uow.execute(statement, {"organization_id": organization_id, "servers": servers, "hours": hours})
    return len(rows)


def forget_old(uow: UnitOfWork) -> int:
    """The organization's hours and days that are not kept any more, some at a time."""
    h, d, now = server_metrics_hourly, server_metrics_daily, uow.now()
    first_day = cast(func.timezone("UTC", now - timedelta(days=SERVER_METRICS_DAYS_KEPT_DAYS)), Date)
    gone = 0
    for table, is_old in (
        (h, h.c.hour < now - timedelta(days=SERVER_METRICS_HOURS_KEPT_DAYS)),
        (d, d.c.day < first_day),
    ):
        here = table.c.organization_id == uow.organization_id
        key = tuple_(*table.primary_key.columns)
        old = select(*table.primary_key.columns).where(here, is_old).limit(FORGOTTEN_PER_PASS)
        gone += uow.execute(delete(table).where(here, key.in_(old))).rowcount
    return gone

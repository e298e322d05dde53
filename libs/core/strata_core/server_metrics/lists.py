"""Rows of a server, its hours and days, its errors, and the days of regions: as pages."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    func,
    literal_column,
)
from sqlalchemy import Column as SqlColumn

from strata_core.listing.views import ListView, columns_of
from strata_datamodel.server_metrics import LEVELS, Column
from strata_datamodel.tables.inventory import hosts
from strata_datamodel.tables.server_metrics import (
    error_logs,
    server_metrics,
    server_metrics_daily,
    server_metrics_hourly,
)

_METRICS: Final = "metrics:read"


def _of_server(table: Table, time: ColumnElement[object]) -> Mapping[str, ColumnElement[bool]]:
    return {
        "server_id": table.c.server_id == bindparam("server_id", type_=Uuid),
        "begin": time >= bindparam("begin", type_=time.type),
        "end": time < bindparam("end", type_=time.type),
    }


def _summed(table: Table) -> dict[str, ColumnElement[object]]:
    shown: dict[str, ColumnElement[object]] = {"samples": table.c.samples}
    for name, column in LEVELS.items():
        mean = table.c[f"{name}_sum"] / func.nullif(table.c[f"{name}_samples"], literal_column("0"))
        shown[f"{column}_avg"] = func.round(mean, literal_column("2"))
        shown[f"{column}_max"] = table.c[f"{name}_max"]
    for name in ("network_in_bytes", "network_out_bytes", "errors"):
        shown[name] = table.c[name]
    return shown


RAW: Final = ListView(
    permission=_METRICS,
    source=server_metrics,
    organization_id=server_metrics.c.organization_id,
    shown=columns_of(server_metrics, ("timestamp", *Column)),
    key=(server_metrics.c.timestamp,),
    filters=_of_server(server_metrics, server_metrics.c.timestamp),
)
HOURS: Final = ListView(
    permission=_METRICS,
    source=server_metrics_hourly,
    organization_id=server_metrics_hourly.c.organization_id,
    shown={"timestamp": server_metrics_hourly.c.hour, **_summed(server_metrics_hourly)},
    key=(server_metrics_hourly.c.hour,),
    filters=_of_server(server_metrics_hourly, server_metrics_hourly.c.hour),
)
DAYS: Final = ListView(
    permission=_METRICS,
    source=server_metrics_daily,
    organization_id=server_metrics_daily.c.organization_id,
    shown={"day": server_metrics_daily.c.day, **_summed(server_metrics_daily)},
    key=(server_metrics_daily.c.day,),
    filters=_of_server(server_metrics_daily, server_metrics_daily.c.day),
)
ERRORS: Final = ListView(
    permission="logs:read",
    source=error_logs.join(
        hosts, and_(hosts.c.organization_id == error_logs.c.organization_id, hosts.c.id == error_logs.c.server_id)
    ),
    organization_id=error_logs.c.organization_id,
    shown={
        "id": error_logs.c.id,
        "timestamp": error_logs.c.timestamp,
        "server_id": error_logs.c.server_id,
        "server": hosts.c.name,
        "region": hosts.c.region,
        **columns_of(error_logs, ("level", "service", "stream", "message")),
    },
    key=(error_logs.c.timestamp, error_logs.c.id),
    newest_first=True,
    filters=_of_server(error_logs, error_logs.c.timestamp),
)

region_days = Table(
    "server_region_days",
    MetaData(),  # a view: no table of the schema's
    SqlColumn("organization_id", Uuid),
    SqlColumn("region", Text),
    SqlColumn("day", Date),
    SqlColumn("servers", Integer),
    SqlColumn("samples", BigInteger),
    *(SqlColumn(f"{name}_{part}", Numeric) for name in ("cpu", "memory", "disk") for part in ("avg", "max")),
    SqlColumn("network_in_bytes", BigInteger),
    SqlColumn("network_out_bytes", BigInteger),
    SqlColumn("errors", BigInteger),
)
REGIONS: Final = ListView(
    permission=_METRICS,
    source=region_days,
    organization_id=region_days.c.organization_id,
    shown={
        **columns_of(region_days, ("region", "day", "servers", "samples")),
        **{
            f"{name}_usage_{part}": region_days.c[f"{name}_{part}"]
            for name in ("cpu", "memory", "disk")
            for part in ("avg", "max")
        },
        **columns_of(region_days, ("network_in_bytes", "network_out_bytes", "errors")),
    },
    key=(region_days.c.day, region_days.c.region),
    filters={
        "begin": region_days.c.day >= bindparam("begin", type_=Date),
        "end": region_days.c.day < bindparam("end", type_=Date),
        "region": region_days.c.region == bindparam("region", type_=Text),
    },
)

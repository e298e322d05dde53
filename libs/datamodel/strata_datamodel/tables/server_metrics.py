"""What servers measured, in rows: as it was sent, by the hour and by the day, and what went wrong on them.

A server is a host. `server_metrics` and `error_logs` are parted by weeks, which the database makes and drops itself.
"""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from strata_datamodel.server_metrics import LEVELS, PERCENTAGES
from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata

_PARTED: Final = "RANGE (timestamp)"


def _server_id() -> Column[object]:
    return Column("server_id", Uuid, nullable=False)


def _aggregates() -> Iterator[Column[object]]:
    """Sums and not means: days are summed up from hours, and are exact."""
    yield Column("samples", Integer, nullable=False)
    for name in LEVELS:
        yield Column(f"{name}_samples", Integer, nullable=False)
        yield Column(f"{name}_sum", Numeric, nullable=True)
        yield Column(f"{name}_max", Numeric, nullable=True)
    yield Column("network_in_bytes", BigInteger, nullable=True)
    yield Column("network_out_bytes", BigInteger, nullable=True)
    yield Column("errors", Integer, nullable=False)
    yield c.stamped("rolled_at")


server_metrics = Table(
    "server_metrics",
    metadata,
    c.organization_id(),
    _server_id(),
    c.instant("timestamp", nullable=False),
    Column("cpu_usage", Numeric(5, 2)),
    Column("memory_usage", Numeric(5, 2)),
    Column("disk_usage", Numeric(5, 2)),
    Column("load_average", Numeric(10, 2)),
    Column("network_in", BigInteger),
    Column("network_out", BigInteger),
    PrimaryKeyConstraint("organization_id", "server_id", "timestamp"),
    c.tenant_reference("server_id", "hosts", ondelete="CASCADE"),
    *(CheckConstraint(f"{name} >= 0 AND {name} <= 100", name=name) for name in PERCENTAGES),
    *(CheckConstraint(f"{name} >= 0", name=name) for name in ("load_average", "network_in", "network_out")),
    postgresql_partition_by=_PARTED,
)

error_logs = Table(
    "error_logs",
    metadata,
    c.organization_id(),
    _server_id(),
    c.instant("timestamp", nullable=False),
    Column("id", Uuid, nullable=False),
    c.words("level"),
    c.words("service", default=""),
    c.words("stream", default=""),
    Column("message", Text, nullable=False),
    PrimaryKeyConstraint("organization_id", "server_id", "timestamp", "id"),
    c.tenant_reference("server_id", "hosts", ondelete="CASCADE"),
    c.one_of("level", ("error", "fatal")),
    postgresql_partition_by=_PARTED,
)

server_metrics_hourly = Table(
    "server_metrics_hourly",
    metadata,
    c.organization_id(),
    _server_id(),
    c.instant("hour", nullable=False),
    *_aggregates(),
    PrimaryKeyConstraint("organization_id", "server_id", "hour"),
    c.tenant_reference("server_id", "hosts", ondelete="CASCADE"),
    Index("ix_server_metrics_hourly_organization_id_hour", "organization_id", "hour"),
)

server_metrics_daily = Table(
    "server_metrics_daily",
    metadata,
    c.organization_id(),
    _server_id(),
    Column("day", Date, nullable=False),
    Column("region", Text, nullable=False, server_default=text("''")),
    *_aggregates(),
    PrimaryKeyConstraint("organization_id", "server_id", "day"),
    c.tenant_reference("server_id", "hosts", ondelete="CASCADE"),
    Index("ix_server_metrics_daily_organization_id_day", "organization_id", "day"),
)

server_metric_marks = Table(
    "server_metric_marks",
    metadata,
    c.organization_id(),
    _server_id(),
    c.instant("hour", nullable=False),
    c.stamped("marked_at"),
    PrimaryKeyConstraint("organization_id", "server_id", "hour"),
    c.tenant_reference("server_id", "hosts", ondelete="CASCADE"),
)
"""Hours that got rows since they were summed up last."""

"""Rows of servers, written by the writers of ingest beside the points and events that they were made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Text, any_, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.server_metrics.readings import Place, Row
from strata_datamodel.limits import SERVER_METRICS_KEPT_DAYS
from strata_datamodel.server_metrics import Column
from strata_datamodel.tables.inventory import hosts

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)

# What is sent again stays as it is. A counter only rises within one time: interfaces may come in several requests.
_WRITE: Final = text("""
    INSERT INTO server_metrics AS m (organization_id, server_id, timestamp, cpu_usage, memory_usage, disk_usage,
        load_average, network_in, network_out)
    SELECT :organization_id, r.* FROM unnest(CAST(:servers AS uuid[]), CAST(:times AS timestamptz[]),
        CAST(:cpu_usage AS numeric[]), CAST(:memory_usage AS numeric[]), CAST(:disk_usage AS numeric[]),
        CAST(:load_average AS numeric[]), CAST(:network_in AS bigint[]), CAST(:network_out AS bigint[])) r
    ON CONFLICT (organization_id, server_id, timestamp) DO UPDATE SET
        cpu_usage = COALESCE(EXCLUDED.cpu_usage, m.cpu_usage),
        memory_usage = COALESCE(EXCLUDED.memory_usage, m.memory_usage),
        disk_usage = COALESCE(EXCLUDED.disk_usage, m.disk_usage),
        load_average = COALESCE(EXCLUDED.load_average, m.load_average),
        network_in = GREATEST(m.network_in, EXCLUDED.network_in),
        network_out = GREATEST(m.network_out, EXCLUDED.network_out)
""")
_WRITE_ERRORS: Final = text("""
    INSERT INTO error_logs (organization_id, server_id, timestamp, id, level, service, stream, message)
    SELECT :organization_id, r.* FROM unnest(CAST(:servers AS uuid[]), CAST(:times AS timestamptz[]),
        CAST(:ids AS uuid[]), CAST(:levels AS text[]), CAST(:services AS text[]), CAST(:streams AS text[]),
        CAST(:messages AS text[])) r
    ON CONFLICT DO NOTHING
""")
# The mark's row is locked until the rows are committed, also when it is there already: whoever takes it away then sees
# them.
_MARK: Final = text("""
    INSERT INTO server_metric_marks AS m (organization_id, server_id, hour)
    SELECT :organization_id, r.* FROM unnest(CAST(:servers AS uuid[]), CAST(:hours AS timestamptz[])) r
    ON CONFLICT (organization_id, server_id, hour) DO UPDATE SET server_id = EXCLUDED.server_id
""")


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """An event of the level error or fatal. `id` is the event's."""

    host: str
    time_us: int
    id: UUID
    level: str
    service: str
    stream: str
    message: str


def keep_parts(uow: UnitOfWork) -> int:
    """Makes the weeks to come and drops those that are not kept any more; how many. Idempotent."""
    kept = timedelta(days=SERVER_METRICS_KEPT_DAYS)
    return int(uow.execute(select(func.app.keep_server_parts(kept))).scalar_one())


def write_readings(uow: UnitOfWork, rows: Mapping[Place, Row]) -> int:
    """How many rows were of no known host, and are not written. Idempotent."""
    ids = _servers(uow, {host for host, _ in rows})
    found = [(ids[host], time_us, row) for (host, time_us), row in rows.items() if host in ids]
    # In one order everywhere, so that two who write the same wait for each other and never for a cycle.
    known = sorted(found, key=lambda each: each[:2])
    if known:
        times = [_instant(time_us) for _, time_us, _ in known]
        servers = [server for server, _, _ in known]
        columns = {column.value: [row.get(column) for _, _, row in known] for column in Column}
        uow.execute(_WRITE, {"organization_id": uow.organization_id, "servers": servers, "times": times, **columns})
        _mark(uow, zip(servers, times, strict=True))
    return len(rows) - len(known)


def write_errors(uow: UnitOfWork, rows: Sequence[ErrorRow]) -> int:
    """As `write_readings`."""
    ids = _servers(uow, {row.host for row in rows})
    known = [row for row in rows if row.host in ids]
    if known:
        servers = [ids[row.host] for row in known]
        times = [_instant(row.time_us) for row in known]
        values: dict[str, Any] = {
            "organization_id": uow.organization_id,
            "servers": servers,
            "times": times,
            "ids": [row.id for row in known],
            "levels": [row.level for row in known],
            "services": [row.service for row in known],
            "streams": [row.stream for row in known],
            "messages": [row.message for row in known],
        }
        uow.execute(_WRITE_ERRORS, values)
        _mark(uow, zip(servers, times, strict=True))
    return len(rows) - len(known)


def _servers(uow: UnitOfWork, names: set[str]) -> dict[str, UUID]:
    """Held until the commit: a host that is being deleted is unknown, and not the end of everybody else's rows."""
    named = hosts.c.name == any_(literal(sorted(names), ARRAY(Text)))
    wanted = select(hosts.c.name, hosts.c.id).where(hosts.c.organization_id == uow.organization_id, named)
    held = wanted.order_by(hosts.c.id).with_for_update(key_share=True, read=True)
    return {row.name: row.id for row in uow.execute(held)}


def _mark(uow: UnitOfWork, rows: Iterable[tuple[UUID, datetime]]) -> None:
    """The hour after it as well, when it has begun: what flowed in it is counted from the last row before it."""
    now, hours = uow.now(), set()
    for server, at in rows:
        hour = at.replace(minute=0, second=0, microsecond=0)
        hours.add((server, hour))
        if hour + _HOUR <= now:
            hours.add((server, hour + _HOUR))
    servers, begun = zip(*sorted(hours), strict=True)
    values = {"organization_id": uow.organization_id, "servers": list(servers), "hours": list(begun)}
    uow.execute(_MARK, values)


def _instant(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)

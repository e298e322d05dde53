"""Servers in rows: what hosts measured, what went wrong on them, and regions. For organizations that turned it on."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from strata_api.deps import Access, requires
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page
from strata_core.instants import instant_ns
from strata_core.inventory.queries import host
from strata_core.listing.views import ListView
from strata_core.server_metrics.lists import DAYS, ERRORS, HOURS, RAW, REGIONS
from strata_datamodel.ids import HostId
from strata_datamodel.limits import NAME_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}/servers", tags=["servers"])
_METRICS: Final = "servers_metrics"
_ERRORS: Final = "servers_errors"
_REGIONS: Final = "servers_regions"
_US_NS: Final = 1_000
_WHEN: Final = "RFC 3339, Unix milliseconds, or relative, as now-1d."
Begin = Annotated[str, Query(alias="from", max_length=64, description=_WHEN)]
End = Annotated[str, Query(alias="to", max_length=64, description="As `from`; exclusive.")]


class Resolution(StrEnum):
    RAW = "raw"
    HOUR = "hour"
    DAY = "day"


_VIEWS: Final[dict[Resolution, ListView]] = {Resolution.RAW: RAW, Resolution.HOUR: HOURS, Resolution.DAY: DAYS}


class ServerMetricsOut(BaseModel):
    """Of a row as it was sent, the values it has. Of an hour and a day their means, greatest values, and sums."""

    timestamp: Instant | None = None
    day: str | None = None
    cpu_usage: float | None = None
    memory_usage: float | None = None
    disk_usage: float | None = None
    load_average: float | None = None
    network_in: int | None = None
    network_out: int | None = None
    samples: int | None = None
    cpu_usage_avg: float | None = None
    cpu_usage_max: float | None = None
    memory_usage_avg: float | None = None
    memory_usage_max: float | None = None
    disk_usage_avg: float | None = None
    disk_usage_max: float | None = None
    load_average_avg: float | None = None
    load_average_max: float | None = None
    network_in_bytes: int | None = None
    network_out_bytes: int | None = None
    errors: int | None = None


class ServerErrorOut(BaseModel):
    id: UUID
    timestamp: Instant
    server_id: UUID
    server: str
    region: str | None
    level: str
    service: str
    stream: str
    message: str


class RegionDayOut(BaseModel):
    region: str
    day: str
    servers: int
    samples: int
    cpu_usage_avg: float | None
    cpu_usage_max: float | None
    memory_usage_avg: float | None
    memory_usage_max: float | None
    disk_usage_avg: float | None
    disk_usage_max: float | None
    network_in_bytes: int | None
    network_out_bytes: int | None
    errors: int


@router.get(
    "/regions",
    operation_id=_REGIONS,
    summary="Regions by day, up to an hour old",
    response_model=Page[RegionDayOut],
)
def list_regions(
    access: Annotated[Access, requires("metrics:read")],
    paged: Paged,
    begin: Begin = "now-7d",
    end: End = "now+1d",
    region: Annotated[str | None, Query(max_length=NAME_LENGTH)] = None,
) -> Response:
    first, last = (_instant(access, text).date().isoformat() for text in (begin, end))
    where: dict[str, object] = {"begin": first, "end": last, "region": region}
    return _page(access, paged, _REGIONS, REGIONS, where, {"from": begin, "to": end, "region": region})


@router.get(
    "/{host_id}/metrics",
    operation_id=_METRICS,
    summary="A server's metrics as rows, oldest first",
    response_model=Page[ServerMetricsOut],
)
def list_metrics(
    access: Annotated[Access, requires("metrics:read")],
    host_id: UUID,
    paged: Paged,
    begin: Begin = "now-1d",
    end: End = "now",
    resolution: Resolution = Resolution.RAW,
) -> Response:
    """Needs `hosts:read` of the host too. Hours and days are summed up within minutes of their rows."""
    range_ = (_instant(access, begin), _instant(access, end))
    first, last = (each.date().isoformat() if resolution is Resolution.DAY else each for each in range_)
    where: dict[str, object] = {"server_id": _readable(access, host_id), "begin": first, "end": last}
    place = {"host": host_id, "from": begin, "to": end, "resolution": resolution}
    return _page(access, paged, _METRICS, _VIEWS[resolution], where, place)


@router.get(
    "/{host_id}/errors",
    operation_id=_ERRORS,
    summary="What went wrong on a server, newest first",
    response_model=Page[ServerErrorOut],
)
def list_errors(
    access: Annotated[Access, requires("logs:read")],
    host_id: UUID,
    paged: Paged,
    begin: Begin = "now-1d",
    end: End = "now+10m",
) -> Response:
    """Log events of the levels error and fatal. Needs `hosts:read` of the host too."""
    server_id = _readable(access, host_id)
    where = {"server_id": server_id, "begin": _instant(access, begin), "end": _instant(access, end)}
    return _page(access, paged, _ERRORS, ERRORS, where, {"host": host_id, "from": begin, "to": end})


def _page(
    access: Access,
    paged: Paged,
    name: str,
    view: ListView,
    where: dict[str, object],
    place: dict[str, object],
) -> Response:
    """`place` has the times as they were asked for: `now` is another one with each page."""
    listing = access.listing(paged, name, place)
    question = view.question(access.ctx, limit=listing.fetch, after=listing.key(len(view.key)), where=where)
    reader = access.deps.copies or access.deps.units
    return listing.written(reader.page(question))


def _readable(access: Access, host_id: UUID) -> UUID:
    """Asked of the primary: a copy may not know a new host yet, or still know one that is gone."""
    with access.unit() as uow:
        return host(access.ctx, uow, HostId(host_id)).id


def _instant(access: Access, text: str) -> datetime:
    """To the microsecond, as PostgreSQL has it."""
    ns = instant_ns(text, now_ns=access.deps.clock.now_ns(), where="from or to")
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=ns // _US_NS)

"""InfluxDB's write API, versions 1 and 2."""

from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from strata_datamodel.spooling import Signal, WireFormat
from strata_ingest.callers import Caller, require_organization
from strata_ingest.edge import Edge
from strata_ingest.influx_answers import v1_written, v2_written
from strata_ingest.series_asking import refused_points
from strata_wire.line_protocol import ParsedLines, parse_lines
from strata_wire.precision import PRECISION, v1_precision, v2_precision


def influx_router(edge: Edge) -> APIRouter:
    router = APIRouter()

    @router.post("/api/v2/write")
    async def write_v2(request: Request) -> Response:
        caller = await edge.caller(request)
        query = request.query_params
        require_organization(caller, query.get("org", ""))
        require_organization(caller, query.get("orgID", ""))
        parsed = await _write(edge, request, caller, v2_precision(query.get(PRECISION, "")))
        return v2_written(parsed, refused_points(request))

    @router.post("/write")
    async def write_v1(request: Request) -> Response:
        caller = await edge.caller(request)
        precision = v1_precision(request.query_params.get(PRECISION, ""))
        return v1_written(await _write(edge, request, caller, precision), refused_points(request))

    return router


async def _write(edge: Edge, request: Request, caller: Caller, precision: str) -> ParsedLines:
    parsed = await edge.accept(
        request,
        caller,
        WireFormat.INFLUX_LINE,
        {PRECISION: precision},
        partial(parse_lines, known=edge.deps.shared.series),
        lambda lines: lines.accepted,
    )
    edge.instruments.points.labels(Signal.METRICS).inc(len(parsed.batch))
    for fault, count in parsed.faults.items():
        edge.instruments.rejected.labels(Signal.METRICS, fault).inc(count)
    return parsed

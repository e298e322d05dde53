"""Metrics as JSON: a push of our own, and what collectd's write_http sends."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from strata_datamodel.spooling import Envelope, Signal, WireFormat
from strata_ingest.edge import Edge
from strata_ingest.json_answers import rows_written
from strata_ingest.series_asking import refused_points
from strata_wire.collectd import parse_collectd
from strata_wire.json_push import parse_json_push
from strata_wire.json_rows import ParsedRows


def json_metrics_router(edge: Edge) -> APIRouter:
    router = APIRouter()

    @router.post("/api/v1/metrics")
    async def push(request: Request) -> Response:
        return await _written(edge, request, WireFormat.JSON_METRICS, parse_json_push)

    @router.post("/collectd")
    async def collectd(request: Request) -> Response:
        return await _written(edge, request, WireFormat.COLLECTD_JSON, parse_collectd)

    return router


async def _written(
    edge: Edge, request: Request, wire_format: WireFormat, parse: Callable[[bytes, Envelope], ParsedRows]
) -> Response:
    caller = await edge.caller(request)
    parsed = await edge.accept(request, caller, wire_format, {}, parse, lambda rows: rows.accepted)
    edge.instruments.points.labels(Signal.METRICS).inc(len(parsed.batch))
    for fault, count in parsed.faults.items():
        edge.instruments.rejected.labels(Signal.METRICS, fault).inc(count)
    return rows_written(parsed, refused_points(request))

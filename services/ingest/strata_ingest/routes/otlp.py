"""OTLP over HTTP: what OpenTelemetry's SDKs and its Collector send."""

from collections.abc import Callable
from functools import partial
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from strata_datamodel.spooling import Signal, WireFormat
from strata_ingest.edge import Edge
from strata_ingest.otlp_answers import exported, format_of
from strata_ingest.series_asking import refused_points
from strata_wire.otlp_metrics import ParsedMetrics, parse_otlp_json, parse_otlp_protobuf

_PARSERS: Final[dict[WireFormat, Callable[..., ParsedMetrics]]] = {
    WireFormat.OTLP_METRICS_PROTOBUF: parse_otlp_protobuf,
    WireFormat.OTLP_METRICS_JSON: parse_otlp_json,
}


def otlp_router(edge: Edge) -> APIRouter:
    router = APIRouter()

    @router.post("/v1/metrics")
    async def export_metrics(request: Request) -> Response:
        caller = await edge.caller(request)
        wire_format = format_of(request)
        if not isinstance(wire_format, WireFormat):
            return wire_format
        parsed = await edge.accept(
            request,
            caller,
            wire_format,
            {},
            partial(_PARSERS[wire_format], known=edge.deps.shared.series),
            lambda metrics: metrics.accepted,
        )
        edge.instruments.points.labels(Signal.METRICS).inc(len(parsed.batch))
        for fault, count in parsed.faults.items():
            edge.instruments.rejected.labels(Signal.METRICS, fault).inc(count)
        return exported(wire_format, parsed, refused_points(request))

    return router

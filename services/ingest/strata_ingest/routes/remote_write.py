"""Prometheus remote write, versions 1 and 2."""

from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from strata_datamodel.spooling import Signal, WireFormat
from strata_ingest.edge import Edge
from strata_ingest.remote_write_answers import REMOTE_WRITE_PATHS, format_of, written
from strata_ingest.series_asking import refused_points
from strata_wire.decompression import SNAPPY
from strata_wire.remote_write import ParsedSamples, parse_remote_write


def remote_write_router(edge: Edge) -> APIRouter:
    router = APIRouter()
    for path in sorted(REMOTE_WRITE_PATHS):
        _add_route(router, edge, path)
    return router


def _add_route(router: APIRouter, edge: Edge, path: str) -> None:
    @router.post(path, name=f"remote write {path}")
    async def write(request: Request) -> Response:
        caller = await edge.caller(request)
        wire_format = format_of(request)
        if not isinstance(wire_format, WireFormat):
            return wire_format
        parsed = await edge.accept(
            request,
            caller,
            wire_format,
            {},
            partial(parse_remote_write, known=edge.deps.shared.series),
            lambda samples: samples.accepted,
            coding=SNAPPY,
        )
        _count(edge, parsed)
        return written(wire_format, parsed, refused_points(request))


def _count(edge: Edge, parsed: ParsedSamples) -> None:
    edge.instruments.points.labels(Signal.METRICS).inc(len(parsed.batch))
    for fault, count in parsed.faults.items():
        edge.instruments.rejected.labels(Signal.METRICS, fault).inc(count)

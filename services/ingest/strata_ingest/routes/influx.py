"""InfluxDB's write API, versions 1 and 2, and the probes its clients make."""

import re
from functools import partial
from typing import Final
from urllib.parse import parse_qs

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from strata_datamodel.errors import InvalidError
from strata_datamodel.spooling import Signal, WireFormat
from strata_ingest.callers import Caller, require_organization
from strata_ingest.edge import Edge
from strata_ingest.influx_answers import SERVER_VERSION, no_content, v1_written, v2_written
from strata_wire.line_protocol import ParsedLines, parse_lines
from strata_wire.precision import PRECISION, v1_precision, v2_precision

_CREATE_DATABASE: Final = re.compile(r"\s*create\s+database\s+.{1,512}", re.IGNORECASE | re.DOTALL)
_FORM_BYTES: Final = 4_096


def influx_router(edge: Edge) -> APIRouter:
    router = APIRouter()
    started_at = edge.deps.clock.now()

    @router.post("/api/v2/write")
    async def write_v2(request: Request) -> Response:
        caller = await edge.caller(request)
        query = request.query_params
        require_organization(caller, query.get("org", ""))
        require_organization(caller, query.get("orgID", ""))
        return v2_written(await _write(edge, request, caller, v2_precision(query.get(PRECISION, ""))))

    @router.post("/write")
    async def write_v1(request: Request) -> Response:
        caller = await edge.caller(request)
        precision = v1_precision(request.query_params.get(PRECISION, ""))
        return v1_written(await _write(edge, request, caller, precision))

    @router.api_route("/query", methods=["GET", "POST"])
    async def create_database(request: Request) -> Response:
        """Telegraf creates its database before it writes. Databases are labels here, so there is nothing to do."""
        await edge.caller(request)
        if not _CREATE_DATABASE.fullmatch(await _statement(request)):
            raise InvalidError("only CREATE DATABASE is answered here", hint="ask the API port for queries")
        return _json({"results": [{"statement_id": 0}]})

    @router.api_route("/ping", methods=["GET", "HEAD"])
    async def ping() -> Response:
        return no_content()

    @router.get("/health")
    async def health() -> Response:
        return _json(
            {
                "name": "influxdb",
                "message": "ready for queries and writes",
                "status": "pass",
                "checks": [],
                "version": SERVER_VERSION,
            }
        )

    @router.get("/ready")
    async def ready() -> Response:
        up_s = (edge.deps.clock.now() - started_at).total_seconds()
        return _json({"status": "ready", "started": started_at.isoformat(), "up": f"{up_s:.0f}s"})

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


async def _statement(request: Request) -> str:
    if "q" in request.query_params:
        return request.query_params["q"]
    form = b""
    async for chunk in request.stream():
        form += chunk
        if len(form) > _FORM_BYTES:
            return ""
    return parse_qs(form.decode(errors="replace")).get("q", [""])[0]


def _json(content: object) -> Response:
    return Response(
        orjson.dumps(content), media_type="application/json", headers={"X-Influxdb-Version": SERVER_VERSION}
    )

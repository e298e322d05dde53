"""What clients of InfluxDB ask before they write, versions 1 and 2."""

import re
from typing import Final
from urllib.parse import parse_qs

import msgspec
import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from strata_datamodel.errors import InvalidError
from strata_ingest.callers import Caller, require_organization
from strata_ingest.edge import Edge
from strata_ingest.influx_answers import SERVER_VERSION, no_content
from strata_ingest.influx_tables import databases, flux_buckets, retention_policies

_NAME: Final = r"""(?:"(?:[^"\\]|\\.){1,256}"|[\w.-]{1,256})"""
_CREATE_DATABASE: Final = re.compile(
    rf"create\s+database\s+{_NAME}(?:\s+with\s+.{{1,256}})?", re.IGNORECASE | re.DOTALL
)
_SHOW_DATABASES: Final = re.compile(r"show\s+databases", re.IGNORECASE)
_SHOW_POLICIES: Final = re.compile(rf"show\s+retention\s+policies(?:\s+on\s+{_NAME})?", re.IGNORECASE)
_BUCKETS: Final = re.compile(r"buckets\(\)(?:\s*\|>\s*limit\(\s*n\s*:\s*[1-9]\d{0,8}\s*\))?")
_QUESTION_BYTES: Final = 4_096
_FLUX_TYPE: Final = "application/vnd.flux"


class _Dialect(msgspec.Struct):
    header: bool = True
    annotations: tuple[str, ...] = ()


class _Question(msgspec.Struct):
    query: str = ""
    dialect: _Dialect = msgspec.field(default_factory=_Dialect)


_QUESTION: Final = msgspec.json.Decoder(_Question)


def influx_probes_router(edge: Edge) -> APIRouter:
    router = APIRouter()
    started_at = edge.deps.clock.now()

    @router.api_route("/query", methods=["GET", "POST"])
    async def query_v1(request: Request) -> Response:
        """Databases and retention policies are labels here: any name is written to, so that any may be created."""
        caller = await edge.caller(request)
        statement = (await _statement(request)).strip().removesuffix(";").rstrip()
        return _json({"results": [{"statement_id": 0, **_answer(caller, statement)}]})

    @router.post("/api/v2/query")
    async def query_v2(request: Request) -> Response:
        caller = await edge.caller(request)
        require_organization(caller, request.query_params.get("org", ""))
        question = await _flux(request)
        if not _BUCKETS.fullmatch(question.query.strip()):
            raise InvalidError("of Flux only buckets() is answered here", hint="ask the API port for queries")
        text = flux_buckets(caller, question.dialect.annotations, with_header=question.dialect.header)
        return Response(text, media_type="text/csv; charset=utf-8", headers={"X-Influxdb-Version": SERVER_VERSION})

    @router.api_route("/ping", methods=["GET", "HEAD"])
    async def ping(request: Request) -> Response:
        is_verbose = request.query_params.get("verbose", "").lower() not in ("", "0", "false")
        return _json({"version": SERVER_VERSION}) if is_verbose and request.method == "GET" else no_content()

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


def _answer(caller: Caller, statement: str) -> dict[str, object]:
    if _CREATE_DATABASE.fullmatch(statement):
        return {}
    if _SHOW_DATABASES.fullmatch(statement):
        return databases(caller)
    if _SHOW_POLICIES.fullmatch(statement):
        return retention_policies(caller)
    words = " ".join(statement.split()[:2])[:64] or "an empty statement"
    raise InvalidError(
        f"{words} is not answered here, only CREATE DATABASE, SHOW DATABASES and SHOW RETENTION POLICIES",
        hint="ask the API port for queries",
    )


async def _statement(request: Request) -> str:
    if "q" in request.query_params:
        return request.query_params["q"]
    return parse_qs((await _short_body(request)).decode(errors="replace")).get("q", [""])[0]


async def _flux(request: Request) -> _Question:
    body = await _short_body(request)
    if request.headers.get("content-type", "").startswith(_FLUX_TYPE):
        return _Question(body.decode(errors="replace"))
    try:
        return _QUESTION.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidError("the question is no JSON with a `query`") from None


async def _short_body(request: Request) -> bytes:
    """Nothing of a body that is longer than any probe."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _QUESTION_BYTES:
            return b""
    return body


def _json(content: object) -> Response:
    return Response(
        orjson.dumps(content), media_type="application/json", headers={"X-Influxdb-Version": SERVER_VERSION}
    )

"""Elasticsearch's bulk API and the probes that log shippers make before they use it."""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from strata_datamodel.errors import NotFoundError
from strata_datamodel.limits import NAME_BYTES
from strata_datamodel.spooling import Signal, WireFormat
from strata_ingest.edge import Edge
from strata_ingest.elastic_answers import SERVER_VERSION, elastic_json, elastic_text
from strata_wire.bulk import INDEX, parse_bulk
from strata_wire.bulk_answer import bulk_answer

_ROOT: Final = {
    "name": "strata",
    "cluster_name": "strata",
    "cluster_uuid": "c3RyYXRhLWluZ2VzdC0wMQ",
    "version": {
        "number": SERVER_VERSION,
        "build_flavor": "default",
        "build_type": "tar",
        "build_hash": "unknown",
        "build_date": "2025-01-01T00:00:00.000000000Z",
        "build_snapshot": False,
        "lucene_version": "9.12.2",
        "minimum_wire_compatibility_version": "7.17.0",
        "minimum_index_compatibility_version": "7.0.0",
    },
    "tagline": "You Know, for Search",
}
_LICENSE: Final = {
    "license": {
        "status": "active",
        "uid": "00000000-0000-0000-0000-000000000000",
        "type": "basic",
        "issue_date": "2025-01-01T00:00:00.000Z",
        "issue_date_in_millis": 1_735_689_600_000,
        "max_nodes": 1_000,
        "issued_to": "strata",
        "issuer": "strata",
        "start_date_in_millis": -1,
    }
}
_XPACK: Final = {
    "build": {"hash": "unknown", "date": "2025-01-01T00:00:00.000000000Z"},
    "license": {"uid": "00000000-0000-0000-0000-000000000000", "type": "basic", "mode": "basic", "status": "active"},
    "features": {"ilm": {"available": False, "enabled": False}, "security": {"available": True, "enabled": True}},
    "tagline": "You know, for X",
}
_CLUSTER_HEALTH: Final = {
    "cluster_name": "strata",
    "status": "green",
    "timed_out": False,
    "number_of_nodes": 1,
    "number_of_data_nodes": 1,
    "active_primary_shards": 1,
    "active_shards": 1,
    "relocating_shards": 0,
    "initializing_shards": 0,
    "unassigned_shards": 0,
}
_CAT_HEALTH: Final = "strata green 1 1 1 1 0 0 0 0 - 100.0%\n"

# Shippers set these up before they send. Indices are made by Strata, so each is acknowledged and has no effect.
_SET_UP: Final = (
    "/_index_template/{name}",
    "/_component_template/{name}",
    "/_template/{name}",
    "/_ilm/policy/{name}",
    "/_ingest/pipeline/{name}",
)


def elastic_router(edge: Edge) -> APIRouter:
    router = APIRouter()
    for path in _SET_UP:
        _add_set_up(router, edge, path)

    @router.api_route("/_bulk", methods=["POST", "PUT"])
    async def bulk(request: Request) -> Response:
        return await _bulk(edge, request, "")

    @router.api_route("/{index}/_bulk", methods=["POST", "PUT"])
    async def bulk_into(request: Request, index: str) -> Response:
        return await _bulk(edge, request, index)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def root(request: Request) -> Response:
        await edge.caller(request)
        return elastic_json(request, _ROOT)

    @router.get("/_license")
    async def license_(request: Request) -> Response:
        await edge.caller(request)
        return elastic_json(request, _LICENSE)

    @router.get("/_xpack")
    async def xpack(request: Request) -> Response:
        await edge.caller(request)
        return elastic_json(request, _XPACK)

    # rsyslog asks this without credentials when it resumes, and Vector before it starts.
    @router.get("/_cluster/health")
    async def cluster_health(request: Request) -> Response:
        return elastic_json(request, _CLUSTER_HEALTH)

    @router.get("/_cat/health")
    async def cat_health() -> Response:
        return elastic_text(_CAT_HEALTH)

    return router


async def _bulk(edge: Edge, request: Request, index: str) -> Response:
    started_s = edge.deps.clock.monotonic_s()
    caller = await edge.caller(request)
    if len(index) > NAME_BYTES:
        raise NotFoundError("index names are not that long")
    parsed = await edge.accept(
        request,
        caller,
        WireFormat.ES_BULK,
        {INDEX: index} if index else {},
        parse_bulk,
        lambda bulk: len(bulk.batch.events),
    )
    edge.instruments.points.labels(Signal.LOGS).inc(len(parsed.batch.events))
    for item in parsed.items:
        if item.error is not None:
            edge.instruments.rejected.labels(Signal.LOGS, item.error.type).inc()
    took_ms = int((edge.deps.clock.monotonic_s() - started_s) * 1000)
    filter_path = request.query_params.get("filter_path", "")
    answer = await edge.aside(len(parsed.items), lambda: bulk_answer(parsed.items, took_ms, filter_path))
    return elastic_json(request, answer)


def _add_set_up(router: APIRouter, edge: Edge, path: str) -> None:
    @router.api_route(path, methods=["PUT", "POST"], name=f"set up {path}")
    async def acknowledge(request: Request) -> Response:
        await edge.caller(request)
        return elastic_json(request, {"acknowledged": True})

    @router.api_route(path, methods=["GET", "HEAD"], name=f"look for {path}")
    async def look(request: Request) -> Response:
        await edge.caller(request)
        raise NotFoundError("it is not kept here")

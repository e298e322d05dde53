"""For whoever runs the service: is it alive, is it ready, what does it count."""

import asyncio
from dataclasses import asdict
from typing import Final

import orjson
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from strata_core.observing.shared_reading import SharedReading
from strata_datamodel.health import StoreHealth
from strata_ingest.deps import Check
from strata_ingest.edge import Edge

_CHECK_TIMEOUT_S: Final = 5.0


def operations_router(edge: Edge) -> APIRouter:
    router = APIRouter()
    deps = edge.deps

    async def check_all() -> list[StoreHealth]:
        return await asyncio.gather(*(_asked(name, check) for name, check in deps.checks.items()))

    checked = SharedReading(check_all, deps.clock)

    @router.get("/healthz")
    async def healthz() -> Response:
        return _json({"status": "ok"})

    @router.get("/readyz")
    async def readyz() -> Response:
        found = await checked.latest()
        is_ready = all(health.is_ready for health in found)
        content = {"status": "ready" if is_ready else "not ready", "stores": [asdict(health) for health in found]}
        response = _json(content, 200 if is_ready else 503)
        if not is_ready:
            response.headers["Retry-After"] = "5"
        return response

    @router.get("/metrics")
    async def metrics() -> Response:
        text = await asyncio.to_thread(generate_latest, deps.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return router


async def _asked(name: str, check: Check) -> StoreHealth:
    try:
        # Not in the threads that recognise callers: a check that hangs must cost nobody their telemetry.
        return await asyncio.wait_for(asyncio.to_thread(check), _CHECK_TIMEOUT_S)
    except TimeoutError:
        return StoreHealth(name, is_ready=False, detail=f"no answer within {_CHECK_TIMEOUT_S:g} s")


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")

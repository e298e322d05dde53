"""The ingest application: routes, failures and tracing put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from strata_core.access.hints import AccessHint, AccessHints
from strata_ingest.deps import IngestDeps
from strata_ingest.edge import Edge
from strata_ingest.failures import add_failure_handlers
from strata_ingest.routes.elastic import elastic_router
from strata_ingest.routes.influx import influx_router
from strata_ingest.routes.influx_probes import influx_probes_router
from strata_ingest.routes.json_metrics import json_metrics_router
from strata_ingest.routes.operations import operations_router
from strata_ingest.routes.otlp import otlp_router
from strata_ingest.routes.remote_write import remote_write_router
from strata_ingest.tracing import RequestTracing


def create_app(deps: IngestDeps) -> FastAPI:
    """One a process and registry. Its life-span ends its threads; spools and units stay the caller's to close."""
    edge = Edge(deps)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        loop, hints = asyncio.get_running_loop(), AccessHints(deps.live_bus)

        def hear(hint: AccessHint) -> None:
            loop.call_soon_threadsafe(edge.hear, hint)

        hints.start(hear)
        try:
            yield
        finally:
            await asyncio.to_thread(hints.stop)
            edge.close()

    app = FastAPI(title="Strata ingest", openapi_url=None, lifespan=lifespan, redirect_slashes=False)
    app.include_router(operations_router(edge))
    app.include_router(influx_router(edge))
    app.include_router(influx_probes_router(edge))
    app.include_router(json_metrics_router(edge))
    app.include_router(remote_write_router(edge))
    app.include_router(otlp_router(edge))
    app.include_router(elastic_router(edge))
    add_failure_handlers(app)
    app.add_middleware(RequestTracing, clock=deps.clock, instruments=edge.instruments)
    return app

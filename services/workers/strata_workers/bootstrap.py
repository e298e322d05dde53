"""Composes the worker from open stores."""

import os
import secrets
import socket

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from strata_core.mail.links import LINK_KEY_PURPOSE, LinkKey
from strata_datamodel.errors import UnavailableError
from strata_stores.factory import Stores
from strata_stores.fault_points import faults_of
from strata_stores.figures import StoreFigures
from strata_stores.settings import Settings, scripted_faults
from strata_workers.service import Worker, WorkerDeps


def build_worker(stores: Stores, settings: Settings, registry: CollectorRegistry | None = None) -> Worker:
    """With a registry of the caller's, who then registers the stores' figures."""
    if stores.system_units is None:
        raise UnavailableError("the worker needs the worker's database role", code="no_worker_role")
    own = registry or CollectorRegistry()
    if registry is None:
        own.register(StoreFigures(stores.breakers))
    return Worker(
        WorkerDeps(
            units=stores.system_units,
            metric_store=stores.metric_store,
            metric_tiers=stores.metric_tiers,
            cells=stores.cells,
            log_store=stores.log_store,
            search_index=stores.search_index,
            cache=stores.cache,
            doorbell=stores.doorbell,
            notifier=stores.notifier,
            mailer=stores.mailer,
            secret_box=stores.secret_box,
            archive=stores.archive,
            anchor_signer=stores.anchor_signer,
            clock=stores.clock,
            ring_queue=stores.ring_queue,
            ring_key=stores.ring_key,
            link_key=LinkKey(stores.keyring.derive(LINK_KEY_PURPOSE)),
            public_url=settings.browser_url,
            fault_points=faults_of(scripted_faults()),
            logs_kept_days=settings.logs_kept_days,
            # The last part, since a container that starts again has its name and its process id again.
            name=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}",
            registry=own,
        )
    )


def probe_app(worker: Worker, stores: Stores) -> FastAPI:
    """A worker process's only port: probes and figures."""
    app = FastAPI(title="Strata worker", openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz(response: Response) -> dict[str, object]:
        checks = [*stores.health(), *worker.health()]
        is_ready = all(check.is_ready for check in checks if check.is_required)
        response.status_code = 200 if is_ready else 503
        listed = [{"store": check.store, "is_ready": check.is_ready, "detail": check.detail} for check in checks]
        return {"status": "ready" if is_ready else "not ready", "stores": listed}

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(worker.registry), media_type=CONTENT_TYPE_LATEST)

    return app

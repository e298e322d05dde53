"""For orchestrators and Prometheus."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from strata_api.deps import Deps, anybody
from strata_core.observing.shared_reading import SharedReading
from strata_datamodel.health import StoreHealth

router = APIRouter(tags=["probes"], dependencies=[anybody()])


class Alive(BaseModel):
    status: str = "ok"


class StoreReadiness(BaseModel):
    store: str
    is_ready: bool
    is_required: bool
    detail: str
    version: str
    latency_ms: float | None


class Readiness(BaseModel):
    status: str = Field(description="ready, degraded (what is not required is down) or not ready")
    stores: list[StoreReadiness]


@router.get("/healthz", operation_id="healthz", summary="Whether the process answers")
async def healthz() -> Alive:
    return Alive()


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Whether every store answers, with a reason each",
    responses={503: {"model": Readiness, "description": "A store is not ready"}},
)
async def readyz(request: Request, response: Response) -> Readiness:
    """As it was a second ago at most: it is open to all, and must not become dear by being asked often."""
    checked: SharedReading[Sequence[StoreHealth]] = request.app.state.health
    stores = [
        StoreReadiness(
            store=health.store,
            is_ready=health.is_ready,
            is_required=health.is_required,
            detail=health.detail,
            version=health.version,
            latency_ms=health.latency_ms,
        )
        for health in await checked.latest()
    ]
    if not all(store.is_ready for store in stores if store.is_required):
        response.status_code = 503
        return Readiness(status="not ready", stores=stores)
    is_whole = all(store.is_ready for store in stores)
    return Readiness(status="ready" if is_whole else "degraded", stores=stores)


@router.get("/metrics", operation_id="metrics", summary="Figures of this process", response_class=Response)
def metrics(deps: Deps) -> Response:
    return Response(generate_latest(deps.registry), media_type=CONTENT_TYPE_LATEST)

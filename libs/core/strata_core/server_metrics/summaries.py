"""The saga that makes the view of regions and days anew, for all organizations at once, while it is read.

One stands for all: it is started in the organization whose rows came first, and is seen there while it runs, retries
or is stuck.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import func, select, true

from strata_core.context import Actor, ActorKind, Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.definitions import Json, LocalStep, Saga, SagaDefinition
from strata_core.sagas.starting import start_saga
from strata_datamodel.ids import OrganizationId, SagaId
from strata_datamodel.tables.sagas import sagas
from strata_datamodel.tables.server_metrics import server_metrics_daily

REFRESHED_AFTER: Final = timedelta(hours=1)
KIND: Final = "server_summaries"
_WORKER: Final = Actor(ActorKind.SYSTEM, None, "worker")


def organization_to_refresh(uow: UnitOfWork) -> OrganizationId | None:
    """In a system-wide unit: one with days that were summed up after the view was begun to be made the last time; None
    also while that is not an hour ago, or still going on."""
    last = uow.execute(select(func.max(sagas.c.created_at)).where(sagas.c.kind == KIND)).scalar_one()
    if last is not None and last > uow.now() - REFRESHED_AFTER:
        return None
    d = server_metrics_daily.c
    changed = select(d.organization_id).where(d.rolled_at > last if last is not None else true()).limit(1)
    found = uow.execute(changed).scalar_one_or_none()
    return None if found is None else OrganizationId(found)


def start_refresh(uow: UnitOfWork) -> SagaId:
    ctx = Context(uow.organization_id, _WORKER, frozenset(), KIND)
    return start_saga(ctx, uow, SERVER_SUMMARIES, {}, lock_key=KIND)


def refresh(uow: UnitOfWork) -> None:
    """Readers see the old rows until this commits. Nobody else refreshes meanwhile."""
    uow.execute(select(func.app.refresh_server_summaries()))


def _refresh(_: Context, uow: UnitOfWork, __: Saga) -> Json:
    refresh(uow)
    return {"as_of": uow.now().isoformat()}


SERVER_SUMMARIES: Final = SagaDefinition(
    kind=KIND,
    version=1,
    steps=(LocalStep("refresh", run=_refresh),),
    pivot="refresh",
    deadline=timedelta(hours=1),
)

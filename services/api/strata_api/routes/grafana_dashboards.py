"""Dashboards from Grafana, and back."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from strata_api.deps import Access, requires
from strata_api.etags import tag_of
from strata_api.idempotency import Made, OnlyOnce
from strata_api.routes.dashboard_forms import DashboardOut, Name, Words
from strata_api.routes.dashboards import ended
from strata_api.schemas import Sent, Text
from strata_core.dashboards.commands import create_dashboard
from strata_core.dashboards.grafana.reading import dashboard_from
from strata_core.dashboards.grafana.writing import classic_of
from strata_core.dashboards.queries import dashboard
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.dashboards import Dashboard, every_panel
from strata_datamodel.ids import DashboardId

router = APIRouter(prefix="/api/v1/orgs/{org}/dashboards", tags=["dashboards"])


class ImportForm(Sent):
    dashboard: dict[str, object] = Field(description="Grafana's classic model, bare or as a V1 resource.")
    inputs: dict[Text, Text] = Field(
        default_factory=dict, max_length=100, description="What to put in for each of its `__inputs`, by name."
    )
    folder: Name = ""
    labels: dict[Text, Text] = Field(default_factory=dict)
    message: Words = ""


class NotTranslated(BaseModel):
    panel_id: int
    ref_id: str


class ImportedOut(DashboardOut):
    not_translated: list[NotTranslated] = Field(
        description="Queries that Strata's own cannot express: kept as they came, and given back by an export."
    )


@router.post(
    "/import",
    operation_id="dashboards_import",
    summary="Take over a dashboard of Grafana's",
    status_code=201,
    response_model=ImportedOut,
)
def post_import(
    access: Annotated[Access, requires("dashboards:write", in_scope=True)],
    body: ImportForm,
    once: OnlyOnce,
    request: Request,
) -> Response:
    draft = dashboard_from(body.dashboard, body.inputs, folder=body.folder, labels=body.labels)

    def work(uow: UnitOfWork) -> Made:
        made = create_dashboard(access.ctx, uow, draft, message=body.message or "imported from Grafana")
        return Made(_imported(made), tag_of(made))

    ended(request, access)
    return once.answer(access, work)


@router.get(
    "/{dashboard_id}/export",
    operation_id="dashboards_export",
    summary="A dashboard in Grafana's classic model",
    response_model=dict[str, object],
)
def get_export(
    access: Annotated[Access, requires("dashboards:read", in_scope=True)],
    dashboard_id: UUID,
    form: Annotated[Literal["grafana"], Query(alias="format")] = "grafana",
) -> Response:
    """What came from Grafana goes back as it came, but for what was changed here."""
    with access.unit() as uow:
        found = dashboard(access.ctx, uow, DashboardId(dashboard_id))
    name = f'attachment; filename="{found.id}.{form}.json"'
    return Response(
        orjson.dumps(classic_of(found)), media_type="application/json", headers={"content-disposition": name}
    )


def _imported(made: Dashboard) -> ImportedOut:
    left = [
        {"panel_id": panel.id, "ref_id": query.ref_id}
        for panel in every_panel(made)
        for query in panel.queries
        if query.question is None
    ]
    return ImportedOut.model_validate({**msgspec.to_builtins(made), "not_translated": left})

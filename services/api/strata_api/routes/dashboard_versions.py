"""Versions of dashboards: who saved what, what differs, and back again."""

from dataclasses import fields
from typing import Annotated, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from strata_api.deps import Access, requires
from strata_api.etags import tag_of
from strata_api.paging import Paged
from strata_api.routes.dashboard_forms import DashboardFields, DashboardOut, SavedByOut, Words
from strata_api.routes.dashboards import ended
from strata_api.schemas import Instant, Page, Sent, Shown
from strata_api.versioned import matched
from strata_core.dashboards.commands import restore_dashboard
from strata_core.dashboards.diffing import ChangeKind
from strata_core.dashboards.queries import VersionHead, dashboard, differences, version_of, version_page
from strata_datamodel.ids import DashboardId
from strata_datamodel.limits import DASHBOARD_CHANGES_SHOWN

router = APIRouter(prefix="/api/v1/orgs/{org}/dashboards/{dashboard_id}/versions", tags=["dashboards"])
_LIST: Final = "dashboard_versions_list"
_VERSION_MAX: Final = 2**63 - 1
Version = Annotated[int, Path(ge=1, le=_VERSION_MAX)]


class VersionOut(BaseModel):
    version: int
    title: str
    message: str
    saved_by: SavedByOut
    saved_at: Instant


class VersionWhole(VersionOut):
    dashboard: DashboardFields


class ChangeOut(Shown):
    kind: ChangeKind
    path: str = Field(description="A JSON pointer; members of lists are named by their id, as /panels/id=4/title.")
    before: object = None
    after: object = None


class Differences(BaseModel):
    items: list[ChangeOut] = Field(description=f"The first {DASHBOARD_CHANGES_SHOWN}.")


class RestoreForm(Sent):
    message: Words = ""


@router.get("", operation_id=_LIST, summary="Versions, newest first")
def list_versions(
    access: Annotated[Access, requires("dashboards:read", in_scope=True)], dashboard_id: UUID, paged: Paged
) -> Page[VersionOut]:
    listing = access.listing(paged, _LIST, {"dashboard_id": dashboard_id})
    with access.unit() as uow:
        rows = version_page(access.ctx, uow, DashboardId(dashboard_id), limit=listing.fetch, before=listing.after(int))
    return listing.page(rows, lambda row: VersionOut.model_validate(_head(row)), lambda row: [row.version])


@router.get("/{version}", operation_id="dashboard_versions_get", summary="A dashboard as it was")
def get_version(
    access: Annotated[Access, requires("dashboards:read", in_scope=True)], dashboard_id: UUID, version: Version
) -> VersionWhole:
    with access.unit() as uow:
        found = version_of(access.ctx, uow, DashboardId(dashboard_id), version)
    return VersionWhole.model_validate({**_head(found), "dashboard": msgspec.to_builtins(found.draft)})


@router.get(
    "/{version}/changes", operation_id="dashboard_versions_changes", summary="What a version has otherwise than another"
)
def get_changes(
    access: Annotated[Access, requires("dashboards:read", in_scope=True)],
    dashboard_id: UUID,
    version: Version,
    against: Annotated[int, Query(ge=1, le=_VERSION_MAX, description="The version to compare it with.")],
) -> Differences:
    with access.unit() as uow:
        found = differences(access.ctx, uow, DashboardId(dashboard_id), version, against)
    return Differences(items=[ChangeOut.model_validate(each) for each in found])


@router.post(
    "/{version}/restore", operation_id="dashboard_versions_restore", summary="Save an old version as the newest"
)
def post_restore(
    access: Annotated[Access, requires("dashboards:write", in_scope=True)],
    dashboard_id: UUID,
    version: Version,
    body: RestoreForm,
    request: Request,
    response: Response,
) -> DashboardOut:
    """Nothing is lost: what is shown now stays a version too."""
    ended(request, access)
    with access.unit() as uow:
        current = matched(request, dashboard(access.ctx, uow, DashboardId(dashboard_id)))
        saved = restore_dashboard(
            access.ctx, uow, DashboardId(dashboard_id), version, current.version, message=body.message
        )
    response.headers["etag"] = tag_of(saved)
    return DashboardOut.of(saved)


def _head(row: VersionHead) -> dict[str, object]:
    head = {each.name: getattr(row, each.name) for each in fields(VersionHead)}
    return {**head, "saved_by": msgspec.to_builtins(row.saved_by)}

"""One organization."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field, WithJsonSchema

from strata_api.deps import Access, requires
from strata_api.etags import check_if_match, etag, is_unchanged
from strata_api.schemas import Document, Instant, Sent, Shown, Text
from strata_core.organizations.commands import OrganizationChanges, change_organization, locked_organization
from strata_core.organizations.settings import SCHEMA
from strata_datamodel.limits import NAME_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}", tags=["organizations"])


class OrganizationOut(Shown):
    id: UUID
    slug: str
    name: str
    plan: str
    billing_reference: str | None
    settings: dict[str, object]
    status: str
    created_at: Instant
    updated_at: Instant


class OrganizationPatch(Sent):
    """A field left out stays as it is."""

    name: Text | None = Field(None, min_length=1, max_length=NAME_LENGTH)
    billing_reference: Text | None = Field(None, max_length=NAME_LENGTH)
    settings: Annotated[Document, WithJsonSchema({**SCHEMA, "title": "Settings"})] | None = None


@router.get(
    "",
    operation_id="orgs_get",
    summary="One organization",
    responses={304: {"description": "If-None-Match names the current version"}},
    response_model=OrganizationOut,
)
async def get_organization(
    access: Annotated[Access, requires("organization:read")], request: Request, response: Response
) -> object:
    tag = etag(access.organization.id, access.organization.version)
    if is_unchanged(request.headers, tag):
        return Response(status_code=304, headers={"etag": tag})
    response.headers["etag"] = tag
    return access.organization


@router.patch("", operation_id="orgs_update", summary="Change an organization")
def patch_organization(
    access: Annotated[Access, requires("organization:write")],
    body: OrganizationPatch,
    request: Request,
    response: Response,
) -> OrganizationOut:
    changes = OrganizationChanges(name=body.name, billing_reference=body.billing_reference, settings=body.settings)
    with access.unit() as uow:
        current = locked_organization(uow)
        check_if_match(request.headers, etag(current.id, current.version))
        changed = change_organization(access.ctx, uow, changes)
    response.headers["etag"] = etag(changed.id, changed.version)
    return OrganizationOut.model_validate(changed)

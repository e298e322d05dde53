"""One organization."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, WithJsonSchema

from strata_api.deps import Access, requires
from strata_api.personal import require_confirmation
from strata_api.schemas import Document, Instant, Sent, Shown, Text
from strata_api.versioned import matched, shown, unless_unchanged
from strata_core.access.queries import SessionIdentity
from strata_core.organizations.commands import OrganizationChanges, change_organization, locked_organization
from strata_core.organizations.deletion_requests import request_deletion
from strata_core.organizations.settings import SCHEMA
from strata_datamodel.limits import DELETION_GRACE_HOURS_MAX, NAME_LENGTH, SLUG_LENGTH

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
    return unless_unchanged(request, response, access.organization)


@router.patch("", operation_id="orgs_update", summary="Change an organization")
def patch_organization(
    access: Annotated[Access, requires("organization:write")],
    body: OrganizationPatch,
    request: Request,
    response: Response,
) -> OrganizationOut:
    changes = OrganizationChanges(name=body.name, billing_reference=body.billing_reference, settings=body.settings)
    with access.unit() as uow:
        matched(request, locked_organization(uow))
        changed = change_organization(access.ctx, uow, changes)
    return shown(response, OrganizationOut, changed)


class DeletionAsked(Shown):
    saga_id: UUID = Field(
        description="GET sagas/{saga_id} shows how far it is, for as long as there is anybody to ask."
    )


@router.delete("", operation_id="orgs_delete", summary="Delete an organization, for good", status_code=202)
def delete_organization(
    access: Annotated[Access, requires("organization:delete")],
    confirm: Annotated[str, Query(description="The organization's slug, typed again.", max_length=SLUG_LENGTH)],
    grace_hours: Annotated[
        int,
        Query(ge=0, le=DELETION_GRACE_HOURS_MAX, description="Until then everything goes on, and it can be cancelled."),
    ] = 0,
    *,
    request: Request,
) -> DeletionAsked:
    """All it holds in every store. Its owner does, signed in as a person who proved lately who they are, and gets the
    signed receipt by mail. Within the grace period `POST sagas/{saga_id}/cancel` stops it; afterwards nothing does.
    Asked for again, it answers with the deletion that is under way."""
    with access.unit() as uow:
        matched(request, locked_organization(uow))
        if isinstance(access.principal, SessionIdentity):
            require_confirmation(access.principal, access.deps.clock.now())
        saga_id = request_deletion(access.ctx, uow, confirm=confirm, grace=timedelta(hours=grace_hours))
    return DeletionAsked(saga_id=saga_id)

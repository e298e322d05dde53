"""Who belongs to an organization."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from strata_api.deps import Access, requires
from strata_api.idempotency import Made, OnlyOnce
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Sent, Shown, Text
from strata_api.versioned import matched, shown, unless_unchanged
from strata_core.access.rules import folded_email
from strata_core.members.commands import change_role, remove_member, transfer_ownership
from strata_core.members.queries import MemberFilter, member, member_page
from strata_datamodel.ids import MembershipId
from strata_datamodel.limits import EMAIL_LENGTH, NAME_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}/members", tags=["members"])
_LIST = "members_list"


class MemberOut(Shown):
    id: UUID
    user_id: UUID
    email: str
    name: str
    avatar_url: str | None
    role: str
    last_login_at: Instant | None
    version: int
    created_at: Instant
    updated_at: Instant


class MemberPatch(Sent):
    role: Text


class TransferOut(Shown):
    new_owner: MemberOut
    former_owner: MemberOut


@router.get("", operation_id=_LIST, summary="Members, in the order in which they joined")
def list_members(
    access: Annotated[Access, requires("members:read")],
    paged: Paged,
    role: Annotated[str | None, Query(max_length=NAME_LENGTH)] = None,
    email: Annotated[str | None, Query(max_length=EMAIL_LENGTH)] = None,
) -> Page[MemberOut]:
    where = MemberFilter(role=role, email=None if email is None else folded_email(email))
    listing = access.listing(paged, _LIST, asdict(where))
    with access.unit() as uow:
        rows = member_page(access.ctx, uow, limit=listing.fetch, after=listing.after(UUID), where=where)
    return listing.page(rows, MemberOut.model_validate, lambda row: [row.id])


@router.get(
    "/{member_id}",
    operation_id="members_get",
    summary="One member",
    responses={304: {"description": "If-None-Match names the current version"}},
    response_model=MemberOut,
)
def get_member(
    access: Annotated[Access, requires("members:read")], member_id: UUID, request: Request, response: Response
) -> object:
    with access.unit() as uow:
        found = member(access.ctx, uow, MembershipId(member_id))
    return unless_unchanged(request, response, found)


@router.patch("/{member_id}", operation_id="members_update", summary="Change a member's role")
def patch_member(
    access: Annotated[Access, requires("members:write")],
    member_id: UUID,
    body: MemberPatch,
    request: Request,
    response: Response,
) -> MemberOut:
    with access.unit() as uow:
        current = matched(request, member(access.ctx, uow, MembershipId(member_id)))
        changed = change_role(access.ctx, uow, current.id, body.role, current.version)
    return shown(response, MemberOut, changed)


@router.delete("/{member_id}", operation_id="members_remove", summary="Remove a member", status_code=204)
def delete_member(access: Annotated[Access, requires("members:write")], member_id: UUID, request: Request) -> None:
    """Their account stays. The last owner cannot be removed."""
    with access.unit() as uow:
        current = matched(request, member(access.ctx, uow, MembershipId(member_id)))
        remove_member(access.ctx, uow, current.id)


@router.post(
    "/{member_id}/transfer-ownership",
    operation_id="members_transfer_ownership",
    summary="Make this member the owner in your place",
    status_code=200,
    response_model=TransferOut,
)
def post_transfer(access: Annotated[Access, requires("members:write")], member_id: UUID, once: OnlyOnce) -> Response:
    """Only an owner can, signed in as themselves; they go on as an admin."""
    successor = MembershipId(member_id)
    return once.answer(
        access,
        lambda uow: Made(TransferOut.model_validate(transfer_ownership(access.ctx, uow, successor))),
        status=200,
    )

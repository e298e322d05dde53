"""Who holds which role: members, teams and service accounts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from strata_api.deps import Access, requires
from strata_api.idempotency import Made, OnlyOnce
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Sent, Text
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.commands import assign_role, unassign_role
from strata_core.roles.queries import Assignment, assignment_page
from strata_core.roles.rules import role_key
from strata_core.roles.subjects import subject_of
from strata_datamodel.ids import RoleAssignmentId
from strata_datamodel.limits import NAME_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}/role-assignments", tags=["roles"])
_LIST = "role_assignments_list"
_SUBJECT = "user:<id>, team:<id> or service_account:<id>"


class AssignmentForm(Sent):
    subject: Text = Field(max_length=NAME_LENGTH, description=_SUBJECT)
    role: Text = Field(max_length=NAME_LENGTH, description="A role's id, or the name of a built-in one.")


class AssignmentOut(BaseModel):
    id: UUID
    subject: str
    role: str
    created_at: Instant


@router.get("", operation_id=_LIST, summary="Who holds which role, oldest first")
def list_assignments(
    access: Annotated[Access, requires("roles:read")],
    paged: Paged,
    subject: Annotated[str | None, Query(max_length=NAME_LENGTH, description=_SUBJECT)] = None,
    role: Annotated[str | None, Query(max_length=NAME_LENGTH, description="Only of this role.")] = None,
) -> Page[AssignmentOut]:
    """The role that each membership names is there besides: see members."""
    listing = access.listing(paged, _LIST, {"subject": subject, "role": role})
    with access.unit() as uow:
        rows = assignment_page(
            access.ctx,
            uow,
            limit=listing.fetch,
            after=listing.after(UUID),
            subject=None if subject is None else subject_of(subject),
            key=None if role is None else role_key(role),
        )
    return listing.page(rows, _shown, lambda row: [row.id])


@router.post(
    "",
    operation_id="role_assignments_create",
    summary="Give a role to a member, a team or a service account",
    status_code=201,
    response_model=AssignmentOut,
)
def post_assignment(
    access: Annotated[Access, requires("roles:write")], body: AssignmentForm, once: OnlyOnce
) -> Response:
    """Holds at once."""

    def work(uow: UnitOfWork) -> Made:
        return Made(_shown(assign_role(access.ctx, uow, subject_of(body.subject), role_key(body.role))))

    return once.answer(access, work)


@router.delete("/{assignment_id}", operation_id="role_assignments_delete", summary="Take a role away", status_code=204)
def remove_assignment(access: Annotated[Access, requires("roles:write")], assignment_id: UUID) -> None:
    with access.unit() as uow:
        unassign_role(access.ctx, uow, RoleAssignmentId(assignment_id))


def _shown(assignment: Assignment) -> AssignmentOut:
    return AssignmentOut(
        id=assignment.id,
        subject=str(assignment.subject),
        role=str(assignment.role),
        created_at=assignment.created_at,
    )

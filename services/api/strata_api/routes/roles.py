"""Roles: the built-in ones, and those that the organization makes."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from strata_api.cached_pages import kept_page
from strata_api.deps import Access, requires
from strata_api.etags import check_if_match, etag
from strata_api.idempotency import Made, OnlyOnce
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Sent, Shown, Text
from strata_core.access.grants import Grant, scope_of
from strata_core.access.permissions import Role
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.commands import create_role, delete_role, replace_role
from strata_core.roles.queries import RoleView, built_in_roles, role, role_page
from strata_core.roles.rules import RoleDraft, documents_of, role_key
from strata_datamodel.errors import DeniedError
from strata_datamodel.ids import RoleId
from strata_datamodel.limits import DESCRIPTION_LENGTH, LABELS_PER_SCOPE, NAME_LENGTH, PERMISSIONS_PER_ROLE

router = APIRouter(prefix="/api/v1/orgs/{org}/roles", tags=["roles"])
_LIST = "roles_list"
RoleName = Annotated[str, Path(max_length=NAME_LENGTH, description="A role's id, or the name of a built-in one.")]


class PermissionForm(Sent):
    resource: Text = Field(max_length=NAME_LENGTH, examples=["alerts"])
    action: Text = Field(max_length=NAME_LENGTH, examples=["write"])
    labels: dict[Text, Text] = Field(
        default_factory=dict,
        max_length=LABELS_PER_SCOPE,
        description="Only for what carries all of these labels or tags: hosts, services, alert_rules, alerts.",
    )


class RoleForm(Sent):
    name: Text = Field(min_length=1, max_length=NAME_LENGTH)
    description: Text = Field("", max_length=DESCRIPTION_LENGTH)
    parent: Text | None = Field(
        None, max_length=NAME_LENGTH, description="The role whose permissions it holds besides."
    )
    permissions: list[PermissionForm] = Field(default_factory=list, max_length=PERMISSIONS_PER_ROLE)


class PermissionOut(Shown):
    resource: str
    action: str
    labels: dict[str, str] = Field(default_factory=dict)


class RoleOut(Shown):
    id: str = Field(description="Of a built-in role its name.")
    name: str
    description: str
    is_built_in: bool
    parent: str | None
    permissions: list[PermissionOut] = Field(description="What the role itself says.")
    effective_permissions: list[PermissionOut] = Field(description="With what it inherits.")
    version: int
    created_at: Instant | None
    updated_at: Instant | None


def shown_role(view: RoleView) -> RoleOut:
    return RoleOut(
        id=str(view.key),
        name=view.name,
        description=view.description,
        is_built_in=view.id is None,
        parent=None if view.parent is None else str(view.parent),
        permissions=[PermissionOut.model_validate(each) for each in documents_of(view.own)],
        effective_permissions=[PermissionOut.model_validate(each) for each in documents_of(view.effective)],
        version=view.version,
        created_at=view.created_at,
        updated_at=view.updated_at,
    )


@router.get(
    "",
    operation_id=_LIST,
    summary="Roles: the built-in ones, then your own, oldest first",
    response_model=Page[RoleOut],
)
def list_roles(access: Annotated[Access, requires("roles:read")], paged: Paged) -> Response:
    """The built-in roles come with the first page, beside its limit."""
    listing = access.listing(paged, _LIST)
    after = listing.after(UUID)

    def make() -> Page[RoleOut]:
        with access.unit() as uow:
            rows = role_page(access.ctx, uow, limit=listing.fetch, after=after)
        page = listing.page(rows, shown_role, lambda row: [row.id])
        if after is None:
            page.items[:0] = [shown_role(each) for each in built_in_roles(access.ctx)]
        return page

    return kept_page(access, listing, make)


@router.post("", operation_id="roles_create", summary="Make a role", status_code=201, response_model=RoleOut)
def post_role(access: Annotated[Access, requires("roles:write")], body: RoleForm, once: OnlyOnce) -> Response:
    def work(uow: UnitOfWork) -> Made:
        made = create_role(access.ctx, uow, _draft(body))
        return Made(shown_role(made), _tag(made))

    return once.answer(access, work)


@router.get("/{role_id}", operation_id="roles_get", summary="One role")
def get_role(
    access: Annotated[Access, requires("roles:read")],
    role_id: RoleName,
    response: Response,
) -> RoleOut:
    with access.unit() as uow:
        found = role(access.ctx, uow, role_key(role_id))
    if found.id is not None:
        response.headers["etag"] = _tag(found)
    return shown_role(found)


@router.put("/{role_id}", operation_id="roles_replace", summary="Replace a role")
def put_role(
    access: Annotated[Access, requires("roles:write")],
    role_id: RoleName,
    body: RoleForm,
    request: Request,
    response: Response,
) -> RoleOut:
    """Holds at once, for everybody who has the role or one that inherits from it."""
    own_id = _own(role_id)
    with access.unit() as uow:
        current = _matched(access, uow, own_id, request)
        changed = replace_role(access.ctx, uow, own_id, _draft(body), current.version)
    response.headers["etag"] = _tag(changed)
    return shown_role(changed)


@router.delete("/{role_id}", operation_id="roles_delete", summary="Delete a role that nobody holds", status_code=204)
def remove_role(
    access: Annotated[Access, requires("roles:write")],
    role_id: RoleName,
    request: Request,
) -> None:
    own_id = _own(role_id)
    with access.unit() as uow:
        current = _matched(access, uow, own_id, request)
        delete_role(access.ctx, uow, own_id, current.version)


def _draft(body: RoleForm) -> RoleDraft:
    return RoleDraft(
        name=body.name,
        description=body.description,
        parent=None if body.parent is None else role_key(body.parent),
        grants=tuple(Grant(f"{each.resource}:{each.action}", scope_of(each.labels)) for each in body.permissions),
    )


def _own(name: str) -> RoleId:
    key = role_key(name)
    if isinstance(key, Role):
        raise DeniedError(
            "built-in roles stay as they are", code="role_built_in", hint="make a role that inherits from it"
        )
    return key


def _matched(access: Access, uow: UnitOfWork, role_id: RoleId, request: Request) -> RoleView:
    current = role(access.ctx, uow, role_id)
    check_if_match(request.headers, _tag(current))
    return current


def _tag(view: RoleView) -> str:
    return etag(view.id or UUID(int=0), view.version)

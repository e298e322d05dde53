"""Who am I, and where do I belong?"""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from strata_api.deps import Caller, signed_in
from strata_api.paging import Paged
from strata_api.routes.organizations import OrganizationOut
from strata_api.schemas import Instant, Page, Shown
from strata_core.access.grants import Grant, everywhere, somewhere
from strata_core.access.queries import KeyIdentity, user_of
from strata_core.organizations.queries import Organization, memberships_after, organization_of
from strata_core.roles.effective import key_grants, member_grants
from strata_core.roles.rules import documents_of
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import PAGE_SIZE_MAX

router = APIRouter(prefix="/api/v1", tags=["auth"])


class UserOut(Shown):
    id: UUID
    email: str
    name: str
    avatar_url: str | None
    plan: str
    last_login_at: Instant | None


class MyKey(BaseModel):
    id: UUID
    name: str
    scopes: list[str]
    expires_at: Instant | None


class ScopedPermission(BaseModel):
    resource: str
    action: str
    labels: dict[str, str]


class MyOrganization(BaseModel):
    id: UUID
    slug: str
    name: str
    role: str | None
    permissions: list[str]
    scoped_permissions: list[ScopedPermission] = Field(description="Held only for what carries these labels.")


class Me(BaseModel):
    kind: Literal["user", "api_key"]
    user: UserOut | None = None
    api_key: MyKey | None = None
    organizations: list[MyOrganization]


@router.get("/me", operation_id="me_get", summary="Whom the credential names, and what they may do where")
def get_me(caller: Annotated[Caller, signed_in()]) -> Me:
    principal, units = caller.principal, caller.deps.units
    if isinstance(principal, KeyIdentity):
        with units.organization(principal.organization_id) as uow:
            mine = organization_of(uow, str(principal.organization_id))
            grants = key_grants(uow, principal)
        key = MyKey(
            id=principal.api_key_id,
            name=principal.name,
            scopes=list(principal.scopes),
            expires_at=principal.expires_at,
        )
        return Me(kind="api_key", api_key=key, organizations=[_mine(mine, None, grants)])
    with units.person(principal.user_id) as uow:
        user = user_of(uow, principal.user_id)
        memberships = memberships_after(uow, principal.user_id, None, PAGE_SIZE_MAX)
    organizations = []
    for each in memberships:
        with units.organization(each.organization.id) as uow:
            grants = member_grants(uow, principal.user_id, each.role)
        organizations.append(_mine(each.organization, each.role, grants))
    return Me(kind="user", user=UserOut.model_validate(user), organizations=organizations)


@router.get("/orgs", operation_id="orgs_list", summary="The organizations you belong to", tags=["organizations"])
def list_my_organizations(caller: Annotated[Caller, signed_in()], paged: Paged) -> Page[OrganizationOut]:
    principal, deps = caller.principal, caller.deps
    if isinstance(principal, KeyIdentity):
        with deps.units.organization(principal.organization_id) as uow:
            mine = organization_of(uow, str(principal.organization_id))
        return Page(items=[OrganizationOut.model_validate(mine)], next_cursor=None)
    # This list belongs to a person, whose id seals its cursors in place of an organization's.
    listing = paged.of(deps.cursors, OrganizationId(principal.user_id), "orgs_list")
    with deps.units.person(principal.user_id) as uow:
        rows = memberships_after(uow, principal.user_id, listing.after(UUID), listing.fetch)
    return listing.page(
        rows, lambda row: OrganizationOut.model_validate(row.organization), lambda row: [row.organization.id]
    )


def _mine(organization: Organization, role: str | None, grants: frozenset[Grant]) -> MyOrganization:
    return MyOrganization(
        id=organization.id,
        slug=organization.slug,
        name=organization.name,
        role=role,
        permissions=sorted(everywhere(grants)),
        scoped_permissions=[ScopedPermission.model_validate(each) for each in documents_of(somewhere(grants))],
    )

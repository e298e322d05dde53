"""Who am I, and where do I belong?"""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from strata_api.deps import Caller, signed_in
from strata_api.paging import Paged
from strata_api.routes.organizations import OrganizationOut
from strata_api.schemas import Instant, Page, Shown
from strata_core.access.permissions import role_permissions
from strata_core.access.queries import KeyIdentity, user_of
from strata_core.organizations.queries import Organization, memberships_after, organization_of
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


class MyOrganization(BaseModel):
    id: UUID
    slug: str
    name: str
    role: str | None
    permissions: list[str]


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
        key = MyKey(
            id=principal.api_key_id,
            name=principal.name,
            scopes=list(principal.scopes),
            expires_at=principal.expires_at,
        )
        return Me(kind="api_key", api_key=key, organizations=[_mine(mine, None, principal.permissions)])
    with units.person(principal.user_id) as uow:
        user = user_of(uow, principal.user_id)
        memberships = memberships_after(uow, principal.user_id, None, PAGE_SIZE_MAX)
    return Me(
        kind="user",
        user=UserOut.model_validate(user),
        organizations=[_mine(each.organization, each.role, role_permissions(each.role)) for each in memberships],
    )


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


def _mine(organization: Organization, role: str | None, permissions: frozenset[str]) -> MyOrganization:
    return MyOrganization(
        id=organization.id,
        slug=organization.slug,
        name=organization.name,
        role=role,
        permissions=sorted(permissions),
    )

"""Who am I, and where do I belong?"""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SecretStr

from strata_api.api_deps import ApiDeps
from strata_api.deps import Caller, signed_in
from strata_api.etags import tag_of
from strata_api.paging import Paged
from strata_api.personal import confirmed_person, person_of
from strata_api.routes.organizations import OrganizationOut
from strata_api.schemas import Instant, Page, Sent, Shown, Text
from strata_api.versioned import matched, shown
from strata_core.access.grants import Grant, everywhere, somewhere
from strata_core.access.queries import KeyIdentity
from strata_core.caching.kinds import PROFILES
from strata_core.caching.read_through import Made, Question
from strata_core.mail.links import TOKEN_LENGTH
from strata_core.members.commands import leave_organization
from strata_core.organizations.queries import Organization, memberships_after, organization_of
from strata_core.people.commands import ask_for_email_change, change_profile, confirm_email_change
from strata_core.people.person import Person
from strata_core.people.queries import profile_of
from strata_core.roles.effective import key_grants, member_grants
from strata_core.roles.rules import documents_of
from strata_datamodel.ids import OrganizationId, UserId
from strata_datamodel.limits import EMAIL_LENGTH, NAME_LENGTH, PAGE_SIZE_MAX, URL_LENGTH

router = APIRouter(prefix="/api/v1", tags=["auth"])


class UserOut(Shown):
    id: UUID
    email: str
    email_verified_at: Instant | None
    name: str
    avatar_url: str | None
    plan: str
    last_login_at: Instant | None
    login_count: int
    created_at: Instant
    version: int


class UserPatch(Sent):
    """A field left out stays as it is; null takes the picture away."""

    name: Text = Field("", max_length=NAME_LENGTH)
    avatar_url: Text | None = Field(None, max_length=URL_LENGTH)


class EmailChange(Sent):
    email: Text = Field(max_length=EMAIL_LENGTH)


class EmailConfirmation(Sent):
    token: SecretStr = Field(max_length=TOKEN_LENGTH, description="What stands behind `#token=` in the mail's link.")


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
def get_me(caller: Annotated[Caller, signed_in()], response: Response) -> Me:
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
        memberships = memberships_after(uow, principal.user_id, None, PAGE_SIZE_MAX)
    user = _kept_profile(caller.deps, principal.user_id)
    response.headers["etag"] = tag_of(user)
    organizations = []
    for each in memberships:
        if principal.confined_to not in {None, each.organization.id}:
            continue
        with units.organization(each.organization.id) as uow:
            grants = member_grants(uow, principal.user_id, each.role)
        organizations.append(_mine(each.organization, each.role, grants))
    return Me(kind="user", user=user, organizations=organizations)


@router.patch("/me", operation_id="me_update", summary="Change your name or picture")
def patch_me(caller: Annotated[Caller, signed_in()], body: UserPatch, request: Request, response: Response) -> UserOut:
    person = _person(caller)
    with caller.deps.units.person(person.user_id) as uow:
        matched(request, profile_of(uow, person.user_id, lock=True))
        changed = change_profile(person, uow, body.model_dump(exclude_unset=True))
    return shown(response, UserOut, changed)


@router.post(
    "/me/email",
    operation_id="me_change_email",
    summary="Ask for another address: a link goes to it",
    status_code=202,
    response_model=None,
)
def post_email(caller: Annotated[Caller, signed_in()], body: EmailChange) -> Response:
    """Nothing changes before the link is followed. The answer does not tell whether the address has an account."""
    confirmed_person(caller)
    person, deps = _person(caller), caller.deps
    with deps.units.person(person.user_id) as uow:
        ask_for_email_change(person, uow, deps.link_key, body.email)
    return Response(status_code=202)


@router.post("/me/email/confirm", operation_id="me_confirm_email", summary="Confirm another address by its link")
def post_email_confirmation(
    caller: Annotated[Caller, signed_in()], body: EmailConfirmation, response: Response
) -> UserOut:
    person, deps = _person(caller), caller.deps
    with deps.units.person(person.user_id) as uow:
        changed = confirm_email_change(person, uow, deps.link_key, body.token.get_secret_value())
    return shown(response, UserOut, changed)


@router.delete(
    "/me/organizations/{organization_id}",
    operation_id="me_leave_organization",
    summary="Leave an organization",
    status_code=204,
)
def leave(caller: Annotated[Caller, signed_in()], organization_id: UUID) -> None:
    """The last owner cannot."""
    person = _person(caller)
    with caller.deps.units.person(person.user_id) as uow:
        profile = profile_of(uow, person.user_id)
        ctx = person.context(OrganizationId(organization_id), profile.email)
        with uow.within(ctx.organization_id) as bound:
            leave_organization(ctx, bound, person.user_id)


@router.get("/orgs", operation_id="orgs_list", summary="The organizations you belong to", tags=["organizations"])
def list_my_organizations(caller: Annotated[Caller, signed_in()], paged: Paged) -> Page[OrganizationOut]:
    principal, deps = caller.principal, caller.deps
    if isinstance(principal, KeyIdentity):
        with deps.units.organization(principal.organization_id) as uow:
            mine = organization_of(uow, str(principal.organization_id))
        return Page(items=[OrganizationOut.model_validate(mine)], next_cursor=None)
    if principal.confined_to is not None:
        with deps.units.organization(principal.confined_to) as uow:
            mine = organization_of(uow, str(principal.confined_to))
        return Page(items=[OrganizationOut.model_validate(mine)], next_cursor=None)
    # This list belongs to a person, whose id seals its cursors in place of an organization's.
    listing = paged.of(deps.cursors, OrganizationId(principal.user_id), "orgs_list")
    with deps.units.person(principal.user_id) as uow:
        rows = memberships_after(uow, principal.user_id, listing.after(UUID), listing.fetch)
    return listing.page(
        rows, lambda row: OrganizationOut.model_validate(row.organization), lambda row: [row.organization.id]
    )


def _kept_profile(deps: ApiDeps, user_id: UserId) -> UserOut:
    """Only this part is kept: what somebody may do where is asked for each time."""

    def make() -> Made:
        with deps.units.person(user_id) as uow:
            user = profile_of(uow, user_id)
        return Made(UserOut.model_validate(user).model_dump_json().encode(), user.version)

    kept = deps.answers.answer(Question(OrganizationId(user_id), PROFILES, "profile"), make)
    return UserOut.model_validate_json(kept.body)


def _mine(organization: Organization, role: str | None, grants: frozenset[Grant]) -> MyOrganization:
    return MyOrganization(
        id=organization.id,
        slug=organization.slug,
        name=organization.name,
        role=role,
        permissions=sorted(everywhere(grants)),
        scoped_permissions=[ScopedPermission.model_validate(each) for each in documents_of(somewhere(grants))],
    )


def _person(caller: Caller) -> Person:
    identity = person_of(caller)
    return Person(identity.user_id, caller.origin.request_id, caller.origin.remote_addr)

"""Inviting people by mail, and accepting."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SecretStr

from strata_api.authentication import authenticated, origin_of
from strata_api.cached_answers import ends
from strata_api.deps import Access, Caller, Deps, anybody, requires
from strata_api.idempotency import Made, OnlyOnce
from strata_api.paging import Paged
from strata_api.personal import count, person_of, refund
from strata_api.routes.members import MemberOut
from strata_api.schemas import Instant, Page, Sent, Shown, Text
from strata_core.access.queries import sign_in_candidate
from strata_core.caching.kinds import PROFILES
from strata_core.invitations.acceptance import join_as_known, join_as_new, sign_in_first
from strata_core.invitations.commands import invite, revoke_invitation, send_again
from strata_core.invitations.queries import Invitation, invitation, invitation_page, presented_invitation
from strata_core.invitations.rules import InvitationStatus, require_open
from strata_core.mail.links import TOKEN_LENGTH, hash_link_token
from strata_core.members.queries import Member
from strata_core.organizations.queries import Organization, organization_of
from strata_core.people.person import Person
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sign_in.limits import invitation_keys
from strata_core.sign_in.rules import check_password
from strata_datamodel.ids import InvitationId, UserId, uuid7
from strata_datamodel.limits import EMAIL_LENGTH, NAME_LENGTH, PASSWORD_LENGTH_MAX

router = APIRouter(tags=["invitations"])
_PATH = "/api/v1/orgs/{org}/invitations"
_LIST = "invitations_list"
_NANOSECONDS_PER_MS = 1_000_000


class InvitationOut(Shown):
    id: UUID
    email: str
    role: str
    invited_by: str
    status: InvitationStatus
    sent_count: int
    sent_at: Instant
    expires_at: Instant
    accepted_at: Instant | None
    accepted_by: UUID | None
    revoked_at: Instant | None
    created_at: Instant


class InvitationDraft(Sent):
    email: Text = Field(max_length=EMAIL_LENGTH)
    role: Text = Field(max_length=NAME_LENGTH)


class LinkToken(Sent):
    token: SecretStr = Field(max_length=TOKEN_LENGTH, description="What stands behind `#token=` in the mail's link.")


class Acceptance(LinkToken):
    """With a session, nothing but the token. Without one, a new account is made with this password."""

    name: Text = Field("", max_length=NAME_LENGTH)
    password: SecretStr | None = Field(None, max_length=PASSWORD_LENGTH_MAX)


class PresentedOut(BaseModel):
    organization: str
    organization_slug: str
    email: str
    role: str
    invited_by: str
    status: InvitationStatus
    expires_at: Instant
    has_account: bool = Field(description="Whether to sign in first, instead of choosing a password.")


class Accepted(BaseModel):
    organization_id: UUID
    organization_slug: str
    is_new_user: bool
    member: MemberOut


@router.get(_PATH, operation_id=_LIST, summary="Invitations, newest first")
def list_invitations(
    access: Annotated[Access, requires("members:read")], paged: Paged, status: InvitationStatus | None = None
) -> Page[InvitationOut]:
    listing = access.listing(paged, _LIST, {"status": status})
    with access.unit() as uow:
        rows = invitation_page(access.ctx, uow, limit=listing.fetch, after=listing.after(UUID), status=status)
    return listing.page(rows, InvitationOut.model_validate, lambda row: [row.id])


@router.post(
    _PATH, operation_id="invitations_create", summary="Invite by mail", status_code=201, response_model=InvitationOut
)
def post_invitation(
    access: Annotated[Access, requires("members:write")], body: InvitationDraft, once: OnlyOnce
) -> Response:
    def work(uow: UnitOfWork) -> Made:
        made = invite(access.ctx, uow, access.deps.link_key, email=body.email, role=body.role)
        return Made(InvitationOut.model_validate(made))

    return once.answer(access, work)


@router.get(_PATH + "/{invitation_id}", operation_id="invitations_get", summary="One invitation")
def get_invitation(access: Annotated[Access, requires("members:read")], invitation_id: UUID) -> InvitationOut:
    with access.unit() as uow:
        return InvitationOut.model_validate(invitation(access.ctx, uow, InvitationId(invitation_id)))


@router.post(
    _PATH + "/{invitation_id}/resend",
    operation_id="invitations_resend",
    summary="Send an invitation again, with a new link",
    status_code=200,
    response_model=InvitationOut,
)
def resend_invitation(
    access: Annotated[Access, requires("members:write")], invitation_id: UUID, once: OnlyOnce
) -> Response:
    def work(uow: UnitOfWork) -> Made:
        sent = send_again(access.ctx, uow, access.deps.link_key, InvitationId(invitation_id))
        return Made(InvitationOut.model_validate(sent))

    return once.answer(access, work, status=200)


@router.delete(
    _PATH + "/{invitation_id}", operation_id="invitations_revoke", summary="Revoke an invitation", status_code=204
)
def delete_invitation(access: Annotated[Access, requires("members:write")], invitation_id: UUID) -> None:
    with access.unit() as uow:
        revoke_invitation(access.ctx, uow, InvitationId(invitation_id))


@router.post(
    "/api/v1/invitations/preview",
    operation_id="invitations_preview",
    summary="What an invitation's link leads to",
    dependencies=[anybody()],
)
def preview_invitation(body: LinkToken, request: Request, deps: Deps) -> PresentedOut:
    found, organization = _presented(deps, request, hash_link_token(body.token.get_secret_value()))
    return PresentedOut(
        organization=organization.name,
        organization_slug=organization.slug,
        email=found.email,
        role=found.role,
        invited_by=found.invited_by,
        status=found.status,
        expires_at=found.expires_at,
        has_account=_has_account(deps, found.email),
    )


@router.post(
    "/api/v1/invitations/accept",
    operation_id="invitations_accept",
    summary="Accept an invitation, as a new user or as the one signed in",
    dependencies=[anybody()],
)
def accept_invitation(body: Acceptance, request: Request, deps: Deps) -> Accepted:
    """A new user signs in afterwards, at auth_login."""
    token_hash = hash_link_token(body.token.get_secret_value())
    found, organization = _presented(deps, request, token_hash)
    require_open(found.status)
    if body.password is None:
        member, is_new_user = _as_known(deps, request, found, token_hash), False
    else:
        about = (found.email, organization.name)
        check_password(body.password.get_secret_value(), deps.known_passwords, about)
        member, is_new_user = _as_new(deps, request, found, token_hash, body), True
    return Accepted(
        organization_id=organization.id,
        organization_slug=organization.slug,
        is_new_user=is_new_user,
        member=MemberOut.model_validate(member),
    )


def _as_known(deps: Deps, request: Request, found: Invitation, token_hash: bytes) -> Member:
    origin = origin_of(request)
    identity = person_of(Caller(authenticated(deps, request), origin, deps))
    person = Person(identity.user_id, origin.request_id, origin.remote_addr)
    with deps.units.person(person.user_id) as uow:
        member = join_as_known(person, uow, found, token_hash)
    ends(request, person.user_id, PROFILES)  # their address is verified now
    return member


def _as_new(deps: Deps, request: Request, found: Invitation, token_hash: bytes, body: Acceptance) -> Member:
    password = body.password.get_secret_value() if body.password else ""
    if _has_account(deps, found.email):
        raise sign_in_first()
    # Only for a link that is good, and between units: hashing is slow on purpose.
    password_hash = deps.password_hasher.hash(password)
    origin = origin_of(request)
    user_id = UserId(uuid7(deps.clock.now_ns() // _NANOSECONDS_PER_MS))
    person = Person(user_id, origin.request_id, origin.remote_addr)
    with deps.units.person(user_id) as uow:
        return join_as_new(person, uow, found, token_hash, name=body.name, password_hash=password_hash)


def _presented(deps: Deps, request: Request, token_hash: bytes) -> tuple[Invitation, Organization]:
    """Raises LimitError (code `too_many_attempts`) for an address that tried many links which led nowhere."""
    keys = invitation_keys(origin_of(request).remote_addr)
    count(deps.units, keys)
    with deps.units.credential(token_hash.hex()) as uow:
        found = presented_invitation(uow, token_hash)
    refund(deps.units, keys)
    with deps.units.organization(found.organization_id) as uow:
        return found, organization_of(uow, str(found.organization_id))


def _has_account(deps: Deps, email: str) -> bool:
    """Told to nobody but the holder of a link that was sent to the address itself."""
    with deps.units.credential(email) as uow:
        return sign_in_candidate(uow, email) is not None

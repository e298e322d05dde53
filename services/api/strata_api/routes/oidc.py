"""Signing in by an organization's identity provider, and setting which one it is."""

import hashlib
import hmac
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field, SecretStr

from strata_api.authentication import is_secure, session_hash
from strata_api.deps import Access, Deps, anybody, requires
from strata_api.personal import count, refund, visit_of
from strata_api.routes.auth import TICKET_LENGTH
from strata_api.schemas import Instant, Sent, Shown, Text, check_text
from strata_api.session_cookies import set_session_cookie
from strata_api.versioned import matched, shown
from strata_core.access.commands import start_session
from strata_core.oidc.commands import (
    ProviderDraft,
    member_of_claims,
    remove_provider,
    require_provider_rights,
    set_provider,
)
from strata_core.oidc.queries import Provider, find_provider, no_provider, provider_of, secret_place
from strata_core.oidc.rules import check_issuer
from strata_core.organizations.queries import organization_of
from strata_core.ports.identity_provider import Client, OneSignIn
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sign_in.limits import passwordless_keys
from strata_core.sign_in.security_events import note
from strata_core.sign_in.tickets import Purpose, hash_token, issue_ticket, new_token, use_up_ticket
from strata_datamodel.errors import DeniedError, NotFoundError, UnauthenticatedError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import NAME_LENGTH, SLUG_LENGTH, TICKET_MINUTES, URL_LENGTH

router = APIRouter(prefix="/api/v1/auth/oidc", tags=["auth"])
setting = APIRouter(prefix="/api/v1/orgs/{org}/identity-provider", tags=["organizations"])

_COOKIE = "strata_oidc"
_CALLBACK = "/api/v1/auth/oidc/callback"
_GROUPS = 200
_SECRET_LENGTH = 1_024


GroupName = Annotated[Text, Field(min_length=1, max_length=NAME_LENGTH)]


class ProviderPut(Sent):
    issuer: Text = Field(max_length=URL_LENGTH, description="As its discovery document names it.")
    client_id: Text = Field(min_length=1, max_length=NAME_LENGTH)
    client_secret: SecretStr | None = Field(
        None, min_length=1, max_length=_SECRET_LENGTH, description="Left out: as it is."
    )
    group_claim: Text = Field("groups", min_length=1, max_length=NAME_LENGTH)
    role_by_group: dict[GroupName, Annotated[str, Field(max_length=NAME_LENGTH)]] = Field(
        default_factory=dict,
        max_length=_GROUPS,
        description="With any given, each sign-in sets the member's role to the highest one of their groups.",
    )
    is_enabled: bool = True


class ProviderOut(Shown):
    id: UUID
    issuer: str
    client_id: str
    group_claim: str
    role_by_group: dict[str, str]
    is_enabled: bool
    created_at: Instant
    updated_at: Instant


@setting.get("", operation_id="identity_provider_get", summary="Who else signs your members in")
def get_provider(access: Annotated[Access, requires("organization:read")], response: Response) -> ProviderOut:
    with access.unit() as uow:
        return shown(response, ProviderOut, provider_of(uow))


@setting.put("", operation_id="identity_provider_put", summary="Set the identity provider")
def put_provider(
    access: Annotated[Access, requires("organization:write")], body: ProviderPut, request: Request, response: Response
) -> ProviderOut:
    require_provider_rights(access.ctx)
    check_issuer(body.issuer)
    with access.unit() as uow:
        standing = find_provider(uow)
    provider_id = uuid4() if standing is None else standing.id
    sealed = None
    if body.client_secret is not None:
        place = secret_place(access.ctx.organization_id, provider_id)
        secret = check_text(body.client_secret.get_secret_value())
        sealed = access.deps.secret_box.seal(place, secret.encode())
    draft = ProviderDraft(body.issuer, body.client_id, body.group_claim, body.role_by_group, body.is_enabled)
    with access.unit() as uow:
        before = find_provider(uow, lock=True)
        if before is not None:
            matched(request, before)
        return shown(response, ProviderOut, set_provider(access.ctx, uow, draft, before, provider_id, sealed))


@setting.delete(
    "",
    operation_id="identity_provider_delete",
    summary="Sign members in by their own means only",
    status_code=204,
)
def delete_provider(access: Annotated[Access, requires("organization:write")], request: Request) -> None:
    with access.unit() as uow:
        before = find_provider(uow, lock=True)
        if before is not None:
            matched(request, before)
        remove_provider(access.ctx, uow, before)


@router.get(
    "/{organization}/start",
    operation_id="auth_oidc_start",
    summary="Go to an organization's identity provider",
    status_code=303,
    response_class=Response,
    dependencies=[anybody()],
)
def start(
    organization: Annotated[str, Path(max_length=SLUG_LENGTH, description="Its slug.")], request: Request, deps: Deps
) -> Response:
    count(deps.units, passwordless_keys(visit_of(request).remote_addr))
    with deps.units.credential(organization) as uow:
        organization_id = _organization_named(uow, organization)
    with deps.units.organization(organization_id) as uow:
        provider = provider_of(uow)
    if not provider.is_enabled:
        raise no_provider()
    state, binding = new_token(), new_token()
    url = deps.identity_providers.authorization_url(_client(request, provider, ""), state, _attempt(binding))
    state_hash = hash_token(state)
    with deps.units.credential(state_hash.hex()) as uow:
        payload = {"organization_id": str(organization_id), "binding": hash_token(binding).hex()}
        issue_ticket(uow, Purpose.OIDC, state_hash, payload=payload)
    answer = Response(status_code=303, headers={"location": url})
    # Lax, as the browser comes back from another site. It binds the answer to the browser that asked.
    answer.set_cookie(
        _cookie_name(request),
        binding,
        max_age=TICKET_MINUTES * 60,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get(
    "/callback",
    operation_id="auth_oidc_callback",
    summary="Come back from the identity provider",
    status_code=303,
    response_class=Response,
    dependencies=[anybody()],
)
def callback(
    request: Request,
    deps: Deps,
    state: Annotated[str, Query(max_length=TICKET_LENGTH)],
    code: Annotated[str | None, Query(max_length=4_096)] = None,
    iss: Annotated[str | None, Query(max_length=URL_LENGTH, description="Who answers, as RFC 9207 has it.")] = None,
) -> Response:
    visit, state_hash = visit_of(request), hash_token(state)
    with deps.units.credential(state_hash.hex()) as uow:
        ticket = use_up_ticket(uow, Purpose.OIDC, state_hash)
    binding = request.cookies.get(_cookie_name(request), "")
    if not code or not hmac.compare_digest(hash_token(binding).hex(), str(ticket.payload["binding"])):
        raise UnauthenticatedError("the sign-in was not finished", code="oidc_refused", hint="begin again")
    organization_id = OrganizationId(UUID(str(ticket.payload["organization_id"])))
    with deps.units.organization(organization_id) as uow:
        provider = provider_of(uow)
        is_active = organization_of(uow, str(organization_id)).status == "active"
    if not provider.is_enabled or not is_active:
        raise _switched_off()
    if iss not in {None, provider.issuer}:
        raise UnauthenticatedError("another provider answered", code="oidc_refused", hint="begin again")
    secret = deps.secret_box.open(secret_place(organization_id, provider.id), provider.client_secret_sealed)
    client = _client(request, provider, secret.decode())
    claims = deps.identity_providers.claims(client, code, _attempt(binding), group_claim=provider.group_claim)
    with deps.units.organization(organization_id) as uow:
        standing = find_provider(uow)
        if standing is None or standing.version != provider.version:  # changed while the provider was asked
            raise _switched_off()
        user_id = member_of_claims(uow, provider, claims, visit)
    with deps.units.person(user_id) as uow:
        session = start_session(
            uow,
            user_id,
            user_agent=visit.user_agent,
            remote_addr=visit.remote_addr,
            replaces=session_hash(request),
            confined_to=organization_id,
        )
        note(uow, user_id, visit, "signed_in", {"with": ["identity_provider"], "issuer": provider.issuer})
    refund(deps.units, passwordless_keys(visit.remote_addr))
    answer = Response(status_code=303, headers={"location": "/"})
    set_session_cookie(request, answer, session)
    answer.delete_cookie(_cookie_name(request), path="/", secure=is_secure(request), httponly=True)
    return answer


def _client(request: Request, provider: Provider, secret: str) -> Client:
    public_url = request.app.state.deps.public_url
    base = public_url or f"{request.url.scheme}://{request.headers.get('host', '')}"
    return Client(provider.issuer, provider.client_id, secret, f"{base}{_CALLBACK}")


def _cookie_name(request: Request) -> str:
    """`__Host-`, or a page on a sub-domain could plant its own and sign the browser in as somebody else."""
    return f"__Host-{_COOKIE}" if is_secure(request) else _COOKIE


def _organization_named(uow: UnitOfWork, slug: str) -> OrganizationId:
    """Refused as one without a provider is: strangers are not told which organizations there are."""
    try:
        return organization_of(uow, slug).id
    except NotFoundError:
        raise no_provider() from None


def _switched_off() -> DeniedError:
    return DeniedError(
        "this organization's provider signs nobody in now", code="oidc_disabled", hint="sign in with your own password"
    )


def _attempt(binding: str) -> OneSignIn:
    """Made from what only the browser holds: the database alone does not let anybody finish a sign-in."""
    return OneSignIn(
        nonce=hashlib.sha256(f"nonce\0{binding}".encode()).hexdigest(),
        verifier=hashlib.sha256(f"verifier\0{binding}".encode()).hexdigest(),
    )

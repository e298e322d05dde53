"""Who is asking: an API key in a header, or a person's session in a cookie."""

import hashlib
from dataclasses import dataclass

from starlette.requests import Request

from strata_api.api_deps import ApiDeps, deps_of
from strata_api.origins import check_origin
from strata_core.access.commands import touch_key, touch_session
from strata_core.access.credentials import presented_token
from strata_core.access.grants import everywhere, somewhere
from strata_core.access.queries import KeyIdentity, SessionIdentity, recognise_key, recognise_session
from strata_core.access.rules import is_due_for_touch
from strata_core.access.tokens import parse_token, refused_token
from strata_core.context import Actor, ActorKind, Context
from strata_core.organizations.queries import (
    Organization,
    membership_of,
    organization_not_found,
    organization_of,
)
from strata_core.organizations.rules import require_active
from strata_core.roles.effective import key_grants, member_grants
from strata_core.sign_in.rules import check_entry
from strata_datamodel.errors import DeniedError, UnauthenticatedError

_COOKIE = "strata_session"
_COOKIE_LENGTH = 128

Principal = KeyIdentity | SessionIdentity


@dataclass(frozen=True, slots=True)
class Origin:
    """From where a request came, for the audit log."""

    request_id: str
    remote_addr: str | None


def origin_of(request: Request) -> Origin:
    return Origin(request.state.request_id, request.client.host if request.client else None)


def is_secure(request: Request) -> bool:
    """Whether browsers come by https, be it that a proxy ends it before us."""
    public_url = deps_of(request).public_url or ""
    return request.url.scheme == "https" or public_url.startswith("https:")


def cookie_name(request: Request) -> str:
    """`__Host-` makes browsers refuse the cookie from a sub-domain or a plain connection, but it needs https."""
    return f"__Host-{_COOKIE}" if is_secure(request) else _COOKIE


def session_hash(request: Request) -> bytes | None:
    value = request.cookies.get(cookie_name(request))
    return None if not value or len(value) > _COOKIE_LENGTH else hashlib.sha256(value.encode()).digest()


def authenticated(deps: ApiDeps, request: Request) -> Principal:
    """Raises UnauthenticatedError, and DeniedError when another site's page uses a session."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        # Never from the query: addresses end up in logs and histories.
        text = presented_token(authorization, {})
        if text is None:
            raise refused_token()
        token = parse_token(text)
        with deps.units.credential(token.key_id) as uow:
            return recognise_key(uow, token)
    token_hash = session_hash(request)
    if token_hash is None:
        raise UnauthenticatedError(
            "this needs a credential",
            code="credential_missing",
            hint="send an API key as `Authorization: Bearer …`, or sign in at /api/v1/auth/login",
        )
    check_origin(request.method, request.headers, deps.public_url)
    with deps.units.credential(token_hash.hex()) as uow:
        return recognise_session(uow, token_hash)


def session_confined() -> DeniedError:
    return DeniedError(
        "your organization's identity provider signed you in, which is good for that organization only",
        code="session_confined",
        hint="sign in with your own password; `Forgot password` sets one",
    )


def entered(deps: ApiDeps, principal: Principal, slug_or_id: str, origin: Origin) -> tuple[Context, Organization]:
    """What the principal may do in the organization that a path names. Raises NotFoundError when it is not theirs."""
    if isinstance(principal, KeyIdentity):
        with deps.units.organization(principal.organization_id) as uow:
            organization = organization_of(uow, slug_or_id)
            grants = key_grants(uow, principal)
            if is_due_for_touch(principal.last_used_at, uow.now()):
                touch_key(uow, principal.api_key_id)
        actor = Actor(ActorKind.API_KEY, principal.api_key_id, principal.name)
    else:
        with deps.units.person(principal.user_id) as uow:
            membership = membership_of(uow, principal.user_id, slug_or_id)
            if principal.confined_to not in {None, membership.organization.id}:
                raise organization_not_found()
            check_entry(membership.organization.settings, membership.organization.id, principal)
            if is_due_for_touch(principal.last_seen_at, uow.now()):
                touch_session(uow, principal.session_id)
        organization = membership.organization
        actor = Actor(ActorKind.USER, principal.user_id, membership.email)
        with deps.units.organization(organization.id) as uow:
            grants = member_grants(uow, principal.user_id, membership.role)
    require_active(organization.status)
    context = Context(
        organization_id=organization.id,
        actor=actor,
        permissions=everywhere(grants),
        scoped=somewhere(grants),
        request_id=origin.request_id,
        remote_addr=origin.remote_addr,
    )
    return context, organization

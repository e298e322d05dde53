"""Recognises callers: from memory where it can, from the database where it must, and within their limits."""

from typing import Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from strata_api.api_deps import ApiDeps, deps_of
from strata_api.authentication import Origin, Principal, authenticated, entered, origin_of, session_confined
from strata_api.cached_answers import ends
from strata_api.identity_cache import Entered, IdentityCache, fingerprint
from strata_api.in_flight import InFlight
from strata_api.origins import check_origin, is_safe
from strata_api.probe_paths import PROBES
from strata_api.rate_limits import admit
from strata_core.access.networks import require_inside
from strata_core.access.queries import KeyIdentity
from strata_core.caching.kinds import CONFIGURATION, PROFILES
from strata_core.context import Context
from strata_core.quotas.queries import quotas_in_force
from strata_core.quotas.rules import Quota, quota_bucket
from strata_datamodel.errors import DeniedError, UnauthenticatedError

OF_THE_KEY: Final = ""
"""In the place of an organization's name: the one that the key belongs to. No organization is called so."""
_FORGET: Final = "forget"
# Changes of these change nothing of who may do what.
_HARMLESS: Final = frozenset(
    {
        "alert_rules",
        "alerts",
        "dashboards",
        "dead_letters",
        "downtime",
        "hosts",
        "logs",
        "metrics",
        "services",
        "silences",
        "webhooks",
    }
)


async def recognised(request: Request, organization: str, permission: str, *, is_slow: bool) -> Entered:
    """Whoever asks, in the organization, with a place among the requests in work. Raises UnauthenticatedError,
    DeniedError, NotFoundError, LimitError, UnavailableError."""
    deps, identities = deps_of(request), identities_of(request)
    print_ = fingerprint(request)
    known = None if print_ is None else identities.find(print_, organization)
    if known is None:
        async with in_flight_of(request).recognition():
            known = await run_in_threadpool(_asked, deps, identities, request, print_, organization)
    elif not isinstance(known.principal, KeyIdentity):
        check_origin(request.method, request.headers, deps.public_url)
    origin = origin_of(request)
    check_network(known.principal, origin.remote_addr)
    await in_flight_of(request).enter_organization(request.scope, known.organization.id, is_slow=is_slow)
    await admit(deps.rate_limiter, request.scope, known.buckets)
    if not is_safe(request.method) and permission.partition(":")[0] not in _HARMLESS:
        organization_id = known.organization.id
        request.scope["state"][_FORGET] = lambda: identities.forget_organization(organization_id)
        ends(request, organization_id, CONFIGURATION)
    return Entered(known.principal, context_of(known.ctx, origin), known.organization, known.buckets)


def context_of(ctx: Context, origin: Origin) -> Context:
    """That of this request. Not by `replace`, which takes several times as long, in every request."""
    return Context(
        ctx.organization_id, ctx.actor, ctx.permissions, origin.request_id, origin.remote_addr, scoped=ctx.scoped
    )


async def recognised_person(request: Request) -> Principal:
    """Outside organizations nothing is remembered: there people change what they sign in with."""
    identities = identities_of(request)
    in_flight = in_flight_of(request)
    async with in_flight.recognition():
        principal = await run_in_threadpool(authenticated, deps_of(request), request)
    check_network(principal, origin_of(request).remote_addr)
    owner = principal.organization_id if isinstance(principal, KeyIdentity) else principal.user_id
    await in_flight.enter_person(request.scope, owner)
    if not is_safe(request.method) and not isinstance(principal, KeyIdentity):
        user_id = principal.user_id
        request.scope["state"][_FORGET] = lambda: identities.forget_person(user_id)
        ends(request, user_id, PROFILES)
    return principal


async def admit_anybody(request: Request) -> None:
    """A request without a credential: signing in replaces a session, a new password ends all of a person's. Raises
    UnavailableError."""
    if request.scope["path"] not in PROBES:
        await in_flight_of(request).enter_sign_in(request.scope)
    if not is_safe(request.method):
        request.scope["state"][_FORGET] = identities_of(request).forget_sessions


def refuse_confined(principal: Principal, method: str) -> None:
    """Outside organizations there is the person's own account: with what an organization's identity provider says of
    them, that organization could take it over. Raises DeniedError (code `session_confined`)."""
    if isinstance(principal, KeyIdentity) or principal.confined_to is None or is_safe(method):
        return
    raise session_confined()


def check_network(principal: Principal, address: str | None) -> None:
    if isinstance(principal, KeyIdentity) and principal.allowed_networks:
        require_inside(address, principal.allowed_networks)


def identities_of(request: Request) -> IdentityCache:
    identities: IdentityCache = request.app.state.identities
    return identities


def in_flight_of(request: Request) -> InFlight:
    in_flight: InFlight = request.app.state.in_flight
    return in_flight


def _asked(
    deps: ApiDeps, identities: IdentityCache, request: Request, print_: bytes | None, organization: str
) -> Entered:
    generation = identities.generation
    try:
        principal = authenticated(deps, request)
    except UnauthenticatedError as error:
        if print_ is not None:
            identities.refuse(print_, error)
        raise
    named = organization or _organization_of_key(principal)
    ctx, found = entered(deps, principal, named, origin_of(request))
    with deps.units.organization(found.id) as uow:
        values = quotas_in_force(uow)
    subject = str(principal.api_key_id if isinstance(principal, KeyIdentity) else principal.user_id)
    buckets = (
        quota_bucket(found.id, Quota.API_REQUESTS_OF_A_KEY, values, subject),
        quota_bucket(found.id, Quota.API_REQUESTS, values),
    )
    known = Entered(principal, ctx, found, buckets)
    if print_ is not None:
        identities.keep(print_, organization, known, generation)
    return known


def _organization_of_key(principal: Principal) -> str:
    if isinstance(principal, KeyIdentity):
        return str(principal.organization_id)
    raise DeniedError(
        "this path names no organization, so that only an API key says which one is meant",
        code="key_required",
        hint="send an API key, as `Authorization: Bearer …` or as the password of Basic",
    )

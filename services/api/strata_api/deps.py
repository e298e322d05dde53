"""What routes declare: whom they serve. A route's declaration is data, so that a test can read it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, Path, Request, Response

from strata_api.api_deps import ApiDeps, deps_of, injected
from strata_api.authentication import Origin, Principal, origin_of
from strata_api.paging import CursorPlace, Listing, PageQuery, Paging
from strata_api.recognition import OF_THE_KEY, admit_anybody, recognised, recognised_person, refuse_confined
from strata_core.access.permissions import PERMISSIONS
from strata_core.access.rules import require, require_somewhere
from strata_core.context import Context
from strata_core.listing.views import ListView
from strata_core.organizations.queries import Organization
from strata_core.ports.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Access:
    """A caller who may do what the route is for, in the organization that its path names."""

    ctx: Context
    principal: Principal
    organization: Organization
    deps: ApiDeps

    def unit(self) -> AbstractContextManager[UnitOfWork]:
        """The request's transaction. A handler opens it once, around all it does; leaving it commits."""
        return self.deps.units.organization(self.ctx.organization_id)

    def listing(self, paging: Paging, name: str, filters: Mapping[str, object] | None = None) -> Listing:
        """The page of the list `name` that was asked for. Lists with other filters have other cursors."""
        return paging.of(self.deps.cursors, self.ctx.organization_id, name, filters)

    def listed(
        self, request: Request, asked: PageQuery, name: str, view: ListView, where: Mapping[str, object] | None = None
    ) -> Response:
        """The page of the list `name` that was asked for, as PostgreSQL wrote it."""
        place = CursorPlace(self.ctx.organization_id, name, where or {})
        listing = Listing(self.deps.cursors, place, asked, request)
        question = view.question(self.ctx, limit=listing.fetch, after=listing.key(len(view.key)), where=where)
        return listing.written(self.deps.units.page(question))


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody recognised, outside any organization."""

    principal: Principal
    origin: Origin
    deps: ApiDeps


@dataclass(frozen=True, slots=True)
class Requirement:
    """Of a route under `/orgs/{org}`: the caller's organization, and this permission in it. `in_scope` lets those in
    who hold it for certain labels only: what the route calls then looks at each entity's. By default they stay out.
    `is_slow`: it asks a store that may take seconds, and an organization has fewer places for that."""

    permission: str
    in_scope: bool = False
    is_slow: bool = False

    async def __call__(
        self,
        request: Request,
        org: Annotated[str, Path(description="Slug or id of the organization.")],
    ) -> Access:
        return await _access(request, org, self.permission, in_scope=self.in_scope, is_slow=self.is_slow)


@dataclass(frozen=True, slots=True)
class OwnRequirement:
    """Of a route whose path names no organization, since a protocol has it so: this permission in the one that the
    caller's key belongs to. People, who may belong to several, stay out."""

    permission: str
    is_slow: bool = False

    async def __call__(self, request: Request) -> Access:
        return await _access(request, OF_THE_KEY, self.permission, in_scope=False, is_slow=self.is_slow)


async def _access(request: Request, org: str, permission: str, *, in_scope: bool, is_slow: bool) -> Access:
    known = await recognised(request, org, permission, is_slow=is_slow)
    # Bound here and not in a thread: what a thread binds stays in its copy of the context.
    structlog.contextvars.bind_contextvars(organization_id=str(known.ctx.organization_id))
    if in_scope:
        require_somewhere(known.ctx, permission)
    else:
        require(known.ctx, permission)
    deps = deps_of(request)
    operation = request.scope["route"].operation_id
    deps.reads.note_if_logged(known.ctx, permission, operation, deps.clock.now())
    return Access(known.ctx, known.principal, known.organization, deps)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Of a route outside organizations: anybody with a credential."""

    serves_confined: bool = False

    async def __call__(self, request: Request) -> Caller:
        principal = await recognised_person(request)
        if not self.serves_confined:
            refuse_confined(principal, request.method)
        return Caller(principal, origin_of(request), deps_of(request))


class Anybody:
    """Of a route that needs no credential. Declared all the same: forgetting is not allowing."""

    async def __call__(self, request: Request) -> None:
        await admit_anybody(request)


def requires(permission: str, *, in_scope: bool = False, is_slow: bool = False) -> Any:
    if permission not in PERMISSIONS:
        raise ValueError(f"{permission} is not a permission")
    return Depends(Requirement(permission, in_scope, is_slow))


def requires_of_key(permission: str, *, is_slow: bool = False) -> Any:
    """In the organization of the caller's key, where the path names none."""
    if permission not in PERMISSIONS:
        raise ValueError(f"{permission} is not a permission")
    return Depends(OwnRequirement(permission, is_slow))


def signed_in(*, confined: bool = False) -> Any:
    """`confined`: also changes by a session that only an organization's identity provider vouches for."""
    return Depends(SignedIn(confined))


def anybody() -> Any:
    return Depends(Anybody())


Deps = Annotated[ApiDeps, Depends(injected)]

"""A POST sent again with its Idempotency-Key gets the answer it got, and does nothing twice."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from strata_api.deps import Access
from strata_core.idempotency.commands import begin, finish, kept_reply
from strata_core.idempotency.rules import StoredReply
from strata_core.organizations.founding import Founder
from strata_core.ports.secret_box import SecretPlace
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import IDEMPOTENCY_KEY_LENGTH

_REPLAYED = "idempotency-replayed"


@dataclass(frozen=True, slots=True)
class Made:
    """What a handler made: its form, and the tag of its version where it has one."""

    content: BaseModel
    etag: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Once:
    route: str
    key: str | None
    fingerprint: bytes

    def answer(
        self, access: Access, work: Callable[[UnitOfWork], Made], *, status: int = 201, has_secret: bool = False
    ) -> Response:
        """Runs `work` in the request's transaction, with the key's row beside it: both stand or fall together, and a
        failure frees the key. `has_secret` keeps the stored answer sealed: what is shown once lies nowhere readable."""
        with access.unit() as uow:
            if self.key is None:
                reply = _reply(work(uow), status)
            else:
                stored = begin(access.ctx, uow, self.route, self.key, self.fingerprint)
                if stored is not None:
                    return self._replayed(access, stored, has_secret=has_secret)
                reply = _reply(work(uow), status)
                finish(access.ctx, uow, self.route, self.key, self._kept(access, reply, has_secret=has_secret))
        return _response(reply, {})

    def founded(self, founder: Founder, uow: UnitOfWork, work: Callable[[], tuple[OrganizationId, Made]]) -> Response:
        """Runs `work`, which makes an organization and says which, in the founder's unit. The key's row lies in what
        was made, and goes with it: a key is looked for in all that they own."""
        if self.key is None:
            return _response(_reply(work()[1], 202), {})
        for organization_id in founder.owned:
            with uow.within(organization_id) as bound:
                ctx = founder.context(organization_id)
                stored = kept_reply(ctx, bound, self.route, self.key, self.fingerprint)
            if stored is not None:
                return _response(stored, {_REPLAYED: "true"})
        organization_id, made = work()
        ctx, reply = founder.context(organization_id), _reply(made, 202)
        with uow.within(organization_id) as bound:
            begin(ctx, bound, self.route, self.key, self.fingerprint)
            finish(ctx, bound, self.route, self.key, reply)
        return _response(reply, {})

    def _kept(self, access: Access, reply: StoredReply, *, has_secret: bool) -> StoredReply:
        if not has_secret:
            return reply
        return StoredReply(reply.status, access.deps.secret_box.seal(self._place(access), reply.body), reply.headers)

    def _replayed(self, access: Access, stored: StoredReply, *, has_secret: bool) -> Response:
        body = access.deps.secret_box.open(self._place(access), stored.body) if has_secret else stored.body
        return _response(StoredReply(stored.status, body, stored.headers), {_REPLAYED: "true"})

    def _place(self, access: Access) -> SecretPlace:
        name = f"{access.ctx.actor.actor_id}/{self.route}/{self.key}".encode()
        row_id = UUID(bytes=hashlib.sha256(name).digest()[:16])
        return SecretPlace(access.ctx.organization_id, "idempotency", "response", row_id)


async def _once(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=IDEMPOTENCY_KEY_LENGTH,
            description="Any text of your own, as a random UUID: repeating the request with it cannot do it twice.",
        ),
    ] = None,
) -> Once:
    body = await request.body()
    text = b"\0".join((request.method.encode(), request.url.path.encode(), request.url.query.encode(), body))
    return Once(request.scope["route"].operation_id, idempotency_key, hashlib.sha256(text).digest())


OnlyOnce = Annotated[Once, Depends(_once)]


def _reply(made: Made, status: int) -> StoredReply:
    headers = {"content-type": "application/json"}
    if made.etag is not None:
        headers["etag"] = made.etag
    if made.location is not None:
        headers["location"] = made.location
    return StoredReply(status, made.content.model_dump_json().encode(), headers)


def _response(reply: StoredReply, more: dict[str, str]) -> Response:
    return Response(reply.body, reply.status, {**reply.headers, **more})

"""Panels that this process holds, answered before the framework is bothered: the caller is recognised, limited, logged
and counted as everywhere, and the bytes go out as they are kept."""

from collections import OrderedDict
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strata_api.api_deps import ApiDeps
from strata_api.authentication import Origin
from strata_api.cached_answers import CACHE_STATUS, panel_asked
from strata_api.identity_cache import Entered, IdentityCache, fingerprint, fingerprint_of_header
from strata_api.middleware.bodies import note_waited
from strata_api.middleware.first_message import FirstMessage
from strata_api.middleware.security_headers import HSTS, SECURITY_HEADERS
from strata_api.origins import check_origin
from strata_api.rate_limits import admit, headers_of
from strata_api.recognition import check_network, context_of
from strata_core.access.queries import KeyIdentity
from strata_core.caching.read_through import Answer, Question
from strata_core.observing.request_ids import request_id
from strata_core.ports.rate_limiter import Bucket
from strata_core.quotas.addresses import address_buckets
from strata_datamodel.errors import StrataError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import BODY_TIMEOUT_S

_HEAD: Final = "/api/v1/orgs/"
_TAIL: Final = "/metrics/query"
_ROUTE: Final = "/api/v1/orgs/{org}/metrics/query"
_OPERATION: Final = "metrics_query"
_PERMISSION: Final = "metrics:read"
_BODY_BYTES: Final = 4_096
_QUESTIONS: Final = 4_096
_UNUSUAL: Final = frozenset({b"cache-control", b"content-encoding", b"transfer-encoding", b"expect"})
_FIXED: Final = [
    (b"content-type", b"application/json"),
    *((name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()),
]
_STATUS: Final = {outcome: (b"cache-status", text.encode()) for outcome, text in CACHE_STATUS.items()}
log = structlog.get_logger("strata_api.access")
_Words = tuple[OrganizationId, bytes]


class KeptPanels:
    """Outermost. Whatever is not plainly a panel that is held, asked by somebody who is known and may, goes the long
    way: errors are made there. What words mean is learned from the answers of the long way."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        deps: ApiDeps,
        identities: IdentityCache,
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        self._app = app
        self._body_timeout_s = body_timeout_s
        self._deps = deps
        self._identities = identities
        self._address_bucket = address_buckets(deps.address_requests_per_second)
        self._count = deps.figures.recorder("POST", _ROUTE, 200)
        self._questions: OrderedDict[_Words, Question] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].endswith(_TAIL) or not _is_plain(scope):
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        began_s = self._deps.clock.monotonic_s()
        try:
            message = await FirstMessage(receive, self._body_timeout_s)
        except TimeoutError:
            note_waited(scope, self._body_timeout_s)
            await self._app(scope, receive, send)  # which refuses what does not come
            return
        if message.get("more_body", False):
            note_waited(scope, self._deps.clock.monotonic_s() - began_s)
        words = b"" if message.get("more_body", False) else message.get("body", b"")
        known = self._known(scope) if words else None
        if known is not None:
            identity = request_id(scope["headers"])
            answer = await self._admitted(scope, known, words, identity)
            if answer is not None:
                await self._send(scope, send, answer, identity)
                self._record(known, identity, self._deps.clock.monotonic_s() - began_s)
                return
        await self._app(scope, _replayed(message, receive), send)
        asked = panel_asked(scope)
        if asked is not None and words:
            self._learn((asked.organization_id, words), asked)

    def _known(self, scope: Scope) -> Entered | None:
        """Somebody who was recognised a moment ago, and may ask."""
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        print_ = fingerprint(Request(scope)) if authorization is None else fingerprint_of_header(authorization)
        organization = scope["path"][len(_HEAD) : -len(_TAIL)]
        try:
            known = None if print_ is None else self._identities.find(print_, organization)
            if known is None or _PERMISSION not in known.ctx.permissions:
                return None
            if not isinstance(known.principal, KeyIdentity):
                check_origin(scope["method"], Headers(scope=scope), self._deps.public_url)
            check_network(known.principal, _address(scope))
        except StrataError:
            return None
        return known

    async def _admitted(self, scope: Scope, known: Entered, words: bytes, identity: str) -> Answer | None:
        question = self._questions.get((known.organization.id, words))
        answer = None if question is None else self._deps.answers.at_once(question)
        if answer is None:
            return None
        try:
            await admit(self._deps.rate_limiter, scope, self._buckets(scope, known))
            ctx = context_of(known.ctx, Origin(identity, _address(scope)))
            self._deps.reads.note_if_logged(ctx, _PERMISSION, _OPERATION, self._deps.clock.now())
        except StrataError:
            return None
        return answer

    def _buckets(self, scope: Scope, known: Entered) -> tuple[Bucket, ...]:
        if self._deps.address_requests_per_second and scope.get("client"):
            return (self._address_bucket(scope["client"][0]), *known.buckets)
        return known.buckets

    async def _send(self, scope: Scope, send: Send, answer: Answer, identity: str) -> None:
        headers = [
            *_FIXED,
            (b"content-length", b"%d" % len(answer.body)),
            (b"x-request-id", identity.encode()),
            (b"age", b"%d" % answer.age_s),
            _STATUS[answer.outcome],
        ]
        if scope["scheme"] == "https":
            headers.append((b"strict-transport-security", HSTS.encode()))
        if (rate := headers_of(scope)) is not None:
            headers += ((b"ratelimit-policy", rate.policy.encode()), (b"ratelimit", rate.limit.encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _record(self, known: Entered, identity: str, took_s: float) -> None:
        self._count(took_s)
        log.info(
            "request_answered",
            method="POST",
            route=_ROUTE,
            status=200,
            duration_ms=round(took_s * 1000, 1),
            request_id=identity,
            organization_id=str(known.organization.id),
        )

    def _learn(self, words: _Words, question: Question) -> None:
        self._questions[words] = question
        self._questions.move_to_end(words)
        while len(self._questions) > _QUESTIONS:
            self._questions.popitem(last=False)


def _address(scope: Scope) -> str | None:
    return scope["client"][0] if scope.get("client") else None


def _is_plain(scope: Scope) -> bool:
    """A short JSON body, all of whose words count, from a caller who takes what is kept."""
    if scope["method"] != "POST" or not scope["path"].startswith(_HEAD):
        return False
    headers = dict(scope["headers"])
    if headers.get(b"content-type") != b"application/json" or not _UNUSUAL.isdisjoint(headers):
        return False
    length = headers.get(b"content-length", b"")
    return length.isdigit() and 0 < int(length[:9]) <= _BODY_BYTES


def _replayed(message: Message, receive: Receive) -> Receive:
    first: list[Message] = [message]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again

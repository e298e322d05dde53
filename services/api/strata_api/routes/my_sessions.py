"""Where you are signed in, and what happened to your account."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SecretStr

from strata_api.deps import Caller, signed_in
from strata_api.paging import Paged
from strata_api.personal import count, person_of, refund, visit_of
from strata_api.routes.auth import CODE_LENGTH
from strata_api.schemas import Instant, Page, Sent, Shown
from strata_api.second_factor_check import TypedCode
from strata_api.session_cookies import delete_session_cookie, set_session_cookie
from strata_core.sign_in.limits import confirmation_keys
from strata_core.sign_in.passwords import account_of
from strata_core.sign_in.second_factors import second_factors_of
from strata_core.sign_in.security_events import note, security_events_before
from strata_core.sign_in.sessions import live_sessions, renew_session, revoke_other_sessions, revoke_session
from strata_datamodel.errors import DeniedError, InvalidError
from strata_datamodel.ids import OrganizationId, SessionId
from strata_datamodel.limits import PASSWORD_LENGTH_MAX

router = APIRouter(prefix="/api/v1/me", tags=["auth"])


class SessionOut(Shown):
    id: UUID
    created_at: Instant
    last_seen_at: Instant
    expires_at: Instant
    user_agent: str | None
    remote_addr: str | None
    has_second_factor: bool
    is_current: bool


class SecurityEventOut(Shown):
    id: UUID
    at: Instant
    action: str
    detail: dict[str, object]
    remote_addr: str | None
    user_agent: str | None


class RevokedSessions(BaseModel):
    count: int


class Confirmation(Sent):
    """One of the two. Whoever has a second factor confirms with a code."""

    password: SecretStr | None = Field(None, max_length=PASSWORD_LENGTH_MAX)
    code: SecretStr | None = Field(None, min_length=1, max_length=CODE_LENGTH)


@router.get("/sessions", operation_id="me_sessions_list", summary="Where you are signed in, newest first")
def list_sessions(caller: Annotated[Caller, signed_in()], paged: Paged) -> Page[SessionOut]:
    person, deps = person_of(caller), caller.deps
    listing = paged.of(deps.cursors, OrganizationId(person.user_id), "me_sessions_list")
    with deps.units.person(person.user_id) as uow:
        rows = live_sessions(uow, person.user_id, listing.after(lambda text: SessionId(UUID(text))), listing.fetch)
    return listing.page(
        rows,
        lambda row: SessionOut(
            id=row.id,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
            user_agent=row.user_agent,
            remote_addr=row.remote_addr,
            has_second_factor=row.has_second_factor,
            is_current=row.id == person.session_id,
        ),
        lambda row: [row.id],
    )


@router.delete("/sessions", operation_id="me_sessions_revoke_others", summary="End all of your other sessions")
def revoke_others(caller: Annotated[Caller, signed_in()], request: Request) -> RevokedSessions:
    person = person_of(caller)
    with caller.deps.units.person(person.user_id) as uow:
        ended = revoke_other_sessions(uow, person.user_id, visit_of(request), person.session_id)
    return RevokedSessions(count=ended)


@router.delete(
    "/sessions/{session_id}", operation_id="me_sessions_revoke", summary="End one of your sessions", status_code=204
)
def revoke_one(caller: Annotated[Caller, signed_in()], session_id: UUID, request: Request, response: Response) -> None:
    person = person_of(caller)
    with caller.deps.units.person(person.user_id) as uow:
        revoke_session(uow, person.user_id, visit_of(request), SessionId(session_id))
    if session_id == person.session_id:
        delete_session_cookie(request, response)


@router.post(
    "/confirmation",
    operation_id="me_confirm",
    summary="Prove once more who you are, as changes of how you sign in ask for",
    status_code=204,
)
def confirm(caller: Annotated[Caller, signed_in()], body: Confirmation, request: Request, response: Response) -> None:
    person, deps, visit = person_of(caller), caller.deps, visit_of(request)
    if (body.password is None) == (body.code is None):
        raise InvalidError("send a password or a code", code="bad_confirmation")
    keys = confirmation_keys(person.user_id)
    count(deps.units, keys)
    with deps.units.person(person.user_id) as uow:
        account, factors = account_of(uow, person.user_id), second_factors_of(uow, person.user_id)
    if body.code is not None:
        is_right = TypedCode(person.user_id, body.code.get_secret_value(), visit).check_with(deps)
        with deps.units.person(person.user_id) as uow:
            is_confirmed = is_right(uow)
    elif factors:
        raise DeniedError("a code of your second factor is asked for", code="code_required")
    else:
        password = (body.password or SecretStr("")).get_secret_value()
        is_confirmed = deps.password_hasher.verify(account.password_hash, password).is_match
    if not is_confirmed:
        raise DeniedError("that is not right", code="bad_credentials")
    with deps.units.person(person.user_id) as uow:
        session = renew_session(uow, person.session_id, has_second_factor=bool(factors) or None)
        note(uow, person.user_id, visit, "confirmed")
    refund(deps.units, keys)
    set_session_cookie(request, response, session)


@router.get(
    "/security-events", operation_id="me_security_events_list", summary="What happened to your account, newest first"
)
def list_security_events(caller: Annotated[Caller, signed_in()], paged: Paged) -> Page[SecurityEventOut]:
    person, deps = person_of(caller), caller.deps
    listing = paged.of(deps.cursors, OrganizationId(person.user_id), "me_security_events_list")
    with deps.units.person(person.user_id) as uow:
        rows = security_events_before(uow, person.user_id, listing.after(UUID), listing.fetch)
    return listing.page(rows, SecurityEventOut.model_validate, lambda row: [row.id])

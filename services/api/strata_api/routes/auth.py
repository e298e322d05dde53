"""Signing in and out."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SecretStr

from strata_api.authentication import session_hash
from strata_api.deps import Caller, Deps, anybody, signed_in
from strata_api.origins import check_origin
from strata_api.personal import count, refund, visit_of, wrong_code
from strata_api.schemas import Instant, Sent, Text
from strata_api.second_factor_check import TypedCode
from strata_api.session_cookies import delete_session_cookie, set_session_cookie
from strata_core.access.commands import count_failed_sign_in, end_session, start_session
from strata_core.access.queries import KeyIdentity, User, sign_in_candidate, user_of
from strata_core.access.rules import folded_email
from strata_core.sign_in.limits import second_factor_keys, sign_in_keys
from strata_core.sign_in.passwords import is_still_the_password
from strata_core.sign_in.second_factors import second_factors_of
from strata_core.sign_in.security_events import note
from strata_core.sign_in.tickets import (
    Purpose,
    hash_token,
    issue_ticket,
    new_token,
    ticket_of,
    ticket_refused,
    try_ticket,
    use_up_ticket,
)
from strata_datamodel.errors import InvalidError, UnauthenticatedError
from strata_datamodel.limits import PASSWORD_LENGTH_MAX

router = APIRouter(prefix="/api/v1/auth", tags=["auth"])

TICKET_LENGTH = 64
CODE_LENGTH = 32


class Login(Sent):
    email: Text = Field(max_length=320)
    password: SecretStr = Field(max_length=PASSWORD_LENGTH_MAX)


class SignedInUser(BaseModel):
    id: UUID
    email: str
    name: str
    expires_at: Instant


class SecondFactorAsked(BaseModel):
    """Not signed in yet: send the ticket with a code, or with a passkey's answer."""

    mfa_required: Literal[True] = True
    ticket: str = Field(description="Good for the second step only, and for a few minutes.")
    methods: list[str] = Field(description="totp, passkey, recovery_code")
    expires_at: Instant


class SecondStep(Sent):
    ticket: SecretStr = Field(max_length=TICKET_LENGTH)
    code: SecretStr = Field(
        min_length=1, max_length=CODE_LENGTH, description="Six digits from the app, or a recovery code."
    )


@router.post(
    "/login",
    operation_id="auth_login",
    summary="Start a session, or learn what is still asked",
    dependencies=[anybody()],
)
def login(body: Login, request: Request, response: Response, deps: Deps) -> SignedInUser | SecondFactorAsked:
    check_origin(request.method, request.headers, deps.public_url)
    email = folded_email(body.email)
    password = body.password.get_secret_value()
    visit = visit_of(request)
    keys = sign_in_keys(email, visit.remote_addr)
    count(deps.units, keys)
    with deps.units.credential(email) as uow:
        candidate = sign_in_candidate(uow, email)
    # Between units: a connection must not be held for as long as a hash takes.
    verdict = deps.password_hasher.verify(candidate.password_hash if candidate else None, password)
    if candidate is None:
        raise _refused()
    if not verdict.is_match:
        with deps.units.person(candidate.user_id) as uow:
            count_failed_sign_in(uow, candidate.user_id)
        raise _refused()
    rehashed = deps.password_hasher.hash(password) if verdict.needs_rehash else None
    with deps.units.person(candidate.user_id) as uow:
        if not is_still_the_password(uow, candidate, rehashed):
            raise _refused()
        factors = second_factors_of(uow, candidate.user_id)
        if factors:
            token = new_token()
            expires_at = issue_ticket(uow, Purpose.SECOND_FACTOR, hash_token(token), user_id=candidate.user_id)
            return SecondFactorAsked(ticket=token, methods=list(factors.methods), expires_at=expires_at)
        session = start_session(
            uow,
            candidate.user_id,
            user_agent=visit.user_agent,
            remote_addr=visit.remote_addr,
            replaces=session_hash(request),
        )
        note(uow, candidate.user_id, visit, "signed_in", {"with": ["password"]})
        user = user_of(uow, candidate.user_id)
    refund(deps.units, keys)
    set_session_cookie(request, response, session)
    return shown_user(user, session.expires_at)


@router.post(
    "/second-factor", operation_id="auth_second_factor", summary="The second step of login", dependencies=[anybody()]
)
def second_factor(body: SecondStep, request: Request, response: Response, deps: Deps) -> SignedInUser:
    check_origin(request.method, request.headers, deps.public_url)
    token_hash = hash_token(body.ticket.get_secret_value())
    visit = visit_of(request)
    with deps.units.credential(token_hash.hex()) as uow:
        user_id = ticket_of(uow, Purpose.SECOND_FACTOR, token_hash).user_id
    if user_id is None:
        raise ticket_refused()
    keys = second_factor_keys(user_id)
    count(deps.units, keys)
    is_right = TypedCode(user_id, body.code.get_secret_value(), visit).check_with(deps)
    session = None
    with deps.units.person(user_id) as uow:
        if not try_ticket(uow, Purpose.SECOND_FACTOR, token_hash):
            raise ticket_refused()
        if is_right(uow):
            use_up_ticket(uow, Purpose.SECOND_FACTOR, token_hash)
            session = start_session(
                uow,
                user_id,
                user_agent=visit.user_agent,
                remote_addr=visit.remote_addr,
                replaces=session_hash(request),
                has_second_factor=True,
            )
            note(uow, user_id, visit, "signed_in", {"with": ["password", "code"]})
        else:
            count_failed_sign_in(uow, user_id)
        user = user_of(uow, user_id)
    if session is None:
        raise wrong_code()
    refund(deps.units, (*keys, *sign_in_keys(user.email, visit.remote_addr)))
    set_session_cookie(request, response, session)
    return shown_user(user, session.expires_at)


@router.post("/logout", operation_id="auth_logout", summary="End this session", status_code=204)
def logout(caller: Annotated[Caller, signed_in(confined=True)], request: Request, response: Response) -> None:
    token_hash = session_hash(request)
    if isinstance(caller.principal, KeyIdentity) or token_hash is None:
        raise InvalidError("a key has no session to end", code="no_session", hint="revoke the key instead")
    with caller.deps.units.person(caller.principal.user_id) as uow:
        end_session(uow, token_hash=token_hash)
    delete_session_cookie(request, response)


def shown_user(user: User, expires_at: datetime) -> SignedInUser:
    return SignedInUser(id=user.id, email=user.email, name=user.name, expires_at=expires_at)


def _refused() -> UnauthenticatedError:
    """One answer for an unknown address and a wrong password."""
    return UnauthenticatedError("the e-mail address or the password is wrong", code="bad_credentials")

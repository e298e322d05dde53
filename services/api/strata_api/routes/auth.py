"""Signing in and out."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SecretStr

from strata_api.authentication import cookie_name, is_secure, origin_of, session_hash
from strata_api.deps import Caller, Deps, anybody, signed_in
from strata_api.origins import check_origin
from strata_api.schemas import Instant, Sent, Text
from strata_core.access.commands import count_failed_sign_in, end_session, start_session
from strata_core.access.queries import KeyIdentity, User, sign_in_candidate, user_of
from strata_core.access.rules import folded_email
from strata_datamodel.errors import InvalidError, UnauthenticatedError
from strata_datamodel.limits import PASSWORD_LENGTH_MAX

router = APIRouter(prefix="/api/v1/auth", tags=["auth"])


class Login(Sent):
    email: Text = Field(max_length=320)
    password: SecretStr = Field(max_length=PASSWORD_LENGTH_MAX)


class SignedInUser(BaseModel):
    id: UUID
    email: str
    name: str
    expires_at: Instant


@router.post("/login", operation_id="auth_login", summary="Start a session", dependencies=[anybody()])
def login(body: Login, request: Request, response: Response, deps: Deps) -> SignedInUser:
    check_origin(request.method, request.headers, deps.public_url)
    email = folded_email(body.email)
    password = body.password.get_secret_value()
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
        session = start_session(
            uow,
            candidate,
            new_password_hash=rehashed,
            user_agent=request.headers.get("user-agent"),
            remote_addr=origin_of(request).remote_addr,
            replaces=session_hash(request),
        )
        user = user_of(uow, candidate.user_id)
    response.set_cookie(
        cookie_name(request),
        session.token,
        expires=session.expires_at,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )
    return _signed_in(user, session.expires_at)


@router.post("/logout", operation_id="auth_logout", summary="End this session", status_code=204)
def logout(caller: Annotated[Caller, signed_in()], request: Request, response: Response) -> None:
    token_hash = session_hash(request)
    if isinstance(caller.principal, KeyIdentity) or token_hash is None:
        raise InvalidError("a key has no session to end", code="no_session", hint="revoke the key instead")
    with caller.deps.units.person(caller.principal.user_id) as uow:
        end_session(uow, token_hash=token_hash)
    response.delete_cookie(cookie_name(request), path="/", secure=is_secure(request), httponly=True)


def _signed_in(user: User, expires_at: datetime) -> SignedInUser:
    return SignedInUser(id=user.id, email=user.email, name=user.name, expires_at=expires_at)


def _refused() -> UnauthenticatedError:
    """One answer for an unknown address and a wrong password."""
    return UnauthenticatedError("the e-mail address or the password is wrong", code="bad_credentials")

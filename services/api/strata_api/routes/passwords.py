"""Changing a password, and setting a new one by mail."""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Request, Response
from pydantic import Field, SecretStr

from strata_api.api_deps import ApiDeps
from strata_api.cached_answers import ends
from strata_api.deps import Caller, Deps, anybody, signed_in
from strata_api.origins import check_origin
from strata_api.personal import count, person_of, refund, visit_of
from strata_api.routes.auth import TICKET_LENGTH
from strata_api.schemas import Sent, Text
from strata_api.session_cookies import set_session_cookie
from strata_core.access.queries import sign_in_candidate
from strata_core.access.rules import folded_email
from strata_core.caching.kinds import PROFILES
from strata_core.sign_in.limits import confirmation_keys, password_reset_keys
from strata_core.sign_in.passwords import account_of, ask_password_reset, change_password, reset_password
from strata_core.sign_in.rules import check_password
from strata_core.sign_in.sessions import renew_session
from strata_core.sign_in.tickets import Purpose, hash_token, ticket_of, ticket_refused
from strata_core.sign_in.visits import Visit
from strata_datamodel.errors import DeniedError
from strata_datamodel.limits import PASSWORD_LENGTH_MAX

router = APIRouter(prefix="/api/v1", tags=["auth"])


class PasswordChange(Sent):
    current_password: SecretStr = Field(max_length=PASSWORD_LENGTH_MAX)
    password: SecretStr = Field(max_length=PASSWORD_LENGTH_MAX)


class ForgottenPassword(Sent):
    email: Text = Field(max_length=320)


class PasswordReset(Sent):
    token: SecretStr = Field(max_length=TICKET_LENGTH, description="From the mail's link.")
    password: SecretStr = Field(max_length=PASSWORD_LENGTH_MAX)


@router.post(
    "/me/password",
    operation_id="me_password_change",
    summary="Change your password; your other sessions end",
    status_code=204,
)
def change_my_password(
    caller: Annotated[Caller, signed_in()], body: PasswordChange, request: Request, response: Response
) -> None:
    person, deps = person_of(caller), caller.deps
    keys = confirmation_keys(person.user_id)
    count(deps.units, keys)
    with deps.units.person(person.user_id) as uow:
        account = account_of(uow, person.user_id)
    if not deps.password_hasher.verify(account.password_hash, body.current_password.get_secret_value()).is_match:
        raise DeniedError("the current password is wrong", code="bad_credentials")
    password = body.password.get_secret_value()
    check_password(password, deps.known_passwords, account.about)
    hashed = deps.password_hasher.hash(password)
    with deps.units.person(person.user_id) as uow:
        change_password(uow, account, visit_of(request), password_hash=hashed, kept=person.session_id)
        session = renew_session(uow, person.session_id)
    refund(deps.units, keys)
    set_session_cookie(request, response, session)


@router.post(
    "/auth/password-reset",
    operation_id="auth_password_reset_ask",
    summary="Have a link mailed that sets a new password",
    description="The answer is the same whether the address is known or not.",
    status_code=202,
    dependencies=[anybody()],
)
def ask_reset(body: ForgottenPassword, request: Request, deps: Deps, after: BackgroundTasks) -> None:
    check_origin(request.method, request.headers, deps.public_url)
    email = folded_email(body.email)
    visit = visit_of(request)
    count(deps.units, password_reset_keys(email, visit.remote_addr))
    # After the answer, which must not take longer for an address that is known.
    after.add_task(_mail_reset, deps, email, visit)


@router.post(
    "/auth/password-reset/confirm",
    operation_id="auth_password_reset_confirm",
    summary="Set a new password with the mailed link; every session ends",
    status_code=204,
    dependencies=[anybody()],
)
def confirm_reset(body: PasswordReset, request: Request, deps: Deps) -> None:
    check_origin(request.method, request.headers, deps.public_url)
    token_hash = hash_token(body.token.get_secret_value())
    with deps.units.credential(token_hash.hex()) as uow:
        user_id = ticket_of(uow, Purpose.PASSWORD_RESET, token_hash).user_id
    if user_id is None:
        raise ticket_refused()
    with deps.units.person(user_id) as uow:
        account = account_of(uow, user_id)
    password = body.password.get_secret_value()
    check_password(password, deps.known_passwords, account.about)
    hashed = deps.password_hasher.hash(password)
    with deps.units.person(user_id) as uow:
        reset_password(uow, account, visit_of(request), token_hash=token_hash, password_hash=hashed)
    ends(request, user_id, PROFILES)  # their address is verified now


def _mail_reset(deps: ApiDeps, email: str, visit: Visit) -> None:
    with deps.units.credential(email) as uow:
        candidate = sign_in_candidate(uow, email)
    if candidate is None:
        return
    with deps.units.person(candidate.user_id) as uow:
        ask_password_reset(uow, candidate.user_id, email, visit, deps.link_key)

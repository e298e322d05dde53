"""Your second factors: an authenticator app, and the codes for when it is lost."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SecretStr

from strata_api.deps import Caller, signed_in
from strata_api.personal import confirmed_person, count, person_of, refund, visit_of
from strata_api.routes.auth import CODE_LENGTH
from strata_api.schemas import Sent
from strata_api.session_cookies import set_session_cookie
from strata_core.access.queries import user_of
from strata_core.sign_in.announcing import announce
from strata_core.sign_in.limits import second_factor_keys
from strata_core.sign_in.recovery_codes import recovery_codes_left, replace_recovery_codes
from strata_core.sign_in.second_factors import (
    begin_totp,
    confirm_totp,
    remove_totp,
    second_factors_of,
    totp_place,
    totp_secret_of,
)
from strata_core.sign_in.sessions import renew_session, revoke_other_sessions
from strata_core.sign_in.totp import enrolment_url, new_secret, secret_text
from strata_datamodel.errors import ConflictError, InvalidError, NotFoundError

router = APIRouter(prefix="/api/v1/me", tags=["auth"])


class SecondFactorsOut(BaseModel):
    has_totp: bool
    passkey_count: int
    recovery_codes_left: int


class TotpEnrolment(BaseModel):
    secret: str = Field(description="For typing into the app. Shown now and never again.")
    otpauth_url: str = Field(description="What the QR code says.")


class TotpConfirmation(Sent):
    code: SecretStr = Field(min_length=6, max_length=CODE_LENGTH)


class RecoveryCodes(BaseModel):
    recovery_codes: list[str] = Field(description="Shown now and never again; each works once.")


@router.get("/second-factors", operation_id="me_second_factors_get", summary="What you have beside your password")
def get_second_factors(caller: Annotated[Caller, signed_in()]) -> SecondFactorsOut:
    person = person_of(caller)
    with caller.deps.units.person(person.user_id) as uow:
        factors = second_factors_of(uow, person.user_id)
        left = recovery_codes_left(uow, person.user_id)
    return SecondFactorsOut(has_totp=factors.has_totp, passkey_count=factors.passkey_count, recovery_codes_left=left)


@router.post("/totp", operation_id="me_totp_begin", summary="Begin to enrol an authenticator app", status_code=201)
def begin(caller: Annotated[Caller, signed_in()]) -> TotpEnrolment:
    person, deps = confirmed_person(caller), caller.deps
    secret = new_secret()
    sealed = deps.secret_box.seal(totp_place(person.user_id), secret)
    with deps.units.person(person.user_id) as uow:
        user = user_of(uow, person.user_id)
        begin_totp(uow, person.user_id, sealed)
    return TotpEnrolment(secret=secret_text(secret), otpauth_url=enrolment_url(secret, user.email))


@router.post(
    "/totp/confirm",
    operation_id="me_totp_confirm",
    summary="Finish enrolling with a first code; your other sessions end",
)
def confirm(
    caller: Annotated[Caller, signed_in()], body: TotpConfirmation, request: Request, response: Response
) -> RecoveryCodes:
    person, deps, visit = confirmed_person(caller), caller.deps, visit_of(request)
    keys = second_factor_keys(person.user_id)
    count(deps.units, keys)
    with deps.units.person(person.user_id) as uow:
        stored = totp_secret_of(uow, person.user_id)
    if stored is None:
        raise NotFoundError("no authenticator app is being enrolled", code="totp_not_begun", hint="begin again")
    secret = deps.secret_box.open(totp_place(person.user_id), stored.sealed)
    code = body.code.get_secret_value()
    with deps.units.person(person.user_id) as uow:
        if not confirm_totp(uow, person.user_id, visit, sealed=stored.sealed, secret=secret, code=code):
            raise InvalidError("the code is wrong", code="bad_code", hint="check that the phone's clock is right")
        codes = replace_recovery_codes(uow, person.user_id)
        # Sessions from before were begun without the factor: whoever else holds one must not keep it.
        revoke_other_sessions(uow, person.user_id, visit, person.session_id)
        session = renew_session(uow, person.session_id, has_second_factor=True)
    refund(deps.units, keys)
    set_session_cookie(request, response, session)
    return RecoveryCodes(recovery_codes=list(codes))


@router.delete("/totp", operation_id="me_totp_remove", summary="Remove the authenticator app", status_code=204)
def remove(caller: Annotated[Caller, signed_in()], request: Request, response: Response) -> None:
    person, visit = confirmed_person(caller), visit_of(request)
    with caller.deps.units.person(person.user_id) as uow:
        remove_totp(uow, person.user_id, visit)
        still = bool(second_factors_of(uow, person.user_id))
        revoke_other_sessions(uow, person.user_id, visit, person.session_id)
        session = renew_session(uow, person.session_id, has_second_factor=still)
    set_session_cookie(request, response, session)


@router.post(
    "/recovery-codes",
    operation_id="me_recovery_codes_replace",
    summary="New recovery codes; the ones before work no more",
    status_code=201,
)
def new_codes(caller: Annotated[Caller, signed_in()], request: Request) -> RecoveryCodes:
    person = confirmed_person(caller)
    with caller.deps.units.person(person.user_id) as uow:
        if not second_factors_of(uow, person.user_id):
            raise ConflictError("there is no second factor to recover", code="no_second_factor", hint="enrol one")
        codes = replace_recovery_codes(uow, person.user_id)
        announce(uow, person.user_id, visit_of(request), "recovery_codes.replaced")
    return RecoveryCodes(recovery_codes=list(codes))

"""Passkeys: registering them, and signing in with one, with or without a password before."""

import base64
import secrets
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SecretStr

from strata_api.authentication import session_hash
from strata_api.deps import Caller, Deps, anybody, signed_in
from strata_api.origins import check_origin
from strata_api.personal import confirmed_person, count, person_of, refund, visit_of
from strata_api.routes.auth import TICKET_LENGTH, SignedInUser, shown_user
from strata_api.schemas import Document, Instant, Sent, Shown, Text
from strata_api.session_cookies import set_session_cookie
from strata_core.access.commands import start_session
from strata_core.access.queries import user_of
from strata_core.ports.passkey_ceremonies import Site
from strata_core.sign_in.limits import passwordless_keys, second_factor_keys, sign_in_keys
from strata_core.sign_in.passkeys import (
    add_passkey,
    passkey_refused,
    passkeys_of,
    presented_passkey,
    remove_passkey,
    use_passkey,
)
from strata_core.sign_in.recovery_codes import recovery_codes_left, replace_recovery_codes
from strata_core.sign_in.second_factors import second_factors_of
from strata_core.sign_in.security_events import note
from strata_core.sign_in.sessions import renew_session, revoke_other_sessions
from strata_core.sign_in.tickets import (
    Purpose,
    Ticket,
    hash_token,
    issue_ticket,
    new_token,
    ticket_of,
    ticket_refused,
    use_up_ticket,
)
from strata_datamodel.ids import PasskeyId
from strata_datamodel.limits import NAME_LENGTH

router = APIRouter(prefix="/api/v1", tags=["auth"])

_CHALLENGE_BYTES = 32


class PasskeyAsked(BaseModel):
    ticket: str = Field(description="Send it with the browser's answer.")
    options: dict[str, object] = Field(
        description="For parseCreationOptionsFromJSON() or parseRequestOptionsFromJSON()."
    )


class PasskeyDraft(Sent):
    ticket: SecretStr = Field(max_length=TICKET_LENGTH)
    name: Text = Field(min_length=1, max_length=NAME_LENGTH)
    credential: Document = Field(description="The credential's toJSON().")


class PasskeyOut(Shown):
    id: UUID
    name: str
    is_backed_up: bool
    created_at: Instant
    last_used_at: Instant | None


class RegisteredPasskey(BaseModel):
    id: UUID
    recovery_codes: list[str] | None = Field(None, description="With a first second factor: shown now and never again.")


class Passkeys(BaseModel):
    items: list[PasskeyOut]


class PasskeySignIn(Sent):
    ticket: SecretStr | None = Field(
        None, max_length=TICKET_LENGTH, description="Of auth_login; left out for signing in without a password."
    )


class PasskeyAnswer(Sent):
    ticket: SecretStr = Field(max_length=TICKET_LENGTH)
    credential: Document


@router.get("/me/passkeys", operation_id="me_passkeys_list", summary="Your passkeys")
def list_passkeys(caller: Annotated[Caller, signed_in()]) -> Passkeys:
    person = person_of(caller)
    with caller.deps.units.person(person.user_id) as uow:
        mine = passkeys_of(uow, person.user_id)
    return Passkeys(items=[PasskeyOut.model_validate(each) for each in mine])


@router.post("/me/passkeys/options", operation_id="me_passkeys_begin", summary="Begin to register a passkey")
def begin_registration(caller: Annotated[Caller, signed_in()], request: Request) -> PasskeyAsked:
    person, deps = confirmed_person(caller), caller.deps
    token, challenge = new_token(), secrets.token_bytes(_CHALLENGE_BYTES)
    with deps.units.person(person.user_id) as uow:
        user = user_of(uow, person.user_id)
        known = [each.credential_id for each in passkeys_of(uow, person.user_id)]
        issue_ticket(
            uow,
            Purpose.PASSKEY_REGISTRATION,
            hash_token(token),
            user_id=person.user_id,
            payload={"challenge": _written(challenge)},
        )
    options = deps.passkeys.registration_options(
        _site(request), user_id=person.user_id, email=user.email, challenge=challenge, known=known
    )
    return PasskeyAsked(ticket=token, options=options)


@router.post(
    "/me/passkeys",
    operation_id="me_passkeys_add",
    summary="Finish registering a passkey; with a first second factor your other sessions end",
    status_code=201,
)
def register(
    caller: Annotated[Caller, signed_in()], body: PasskeyDraft, request: Request, response: Response
) -> RegisteredPasskey:
    person, deps, visit = confirmed_person(caller), caller.deps, visit_of(request)
    token_hash = hash_token(body.ticket.get_secret_value())
    with deps.units.person(person.user_id) as uow:  # of its own: a challenge is gone, whatever the answer is worth
        ticket = use_up_ticket(uow, Purpose.PASSKEY_REGISTRATION, token_hash)
    if ticket.user_id != person.user_id:
        raise ticket_refused()
    new = deps.passkeys.register(_site(request), _challenge(ticket), body.credential)
    codes = None
    with deps.units.person(person.user_id) as uow:
        had_factor = bool(second_factors_of(uow, person.user_id))
        passkey_id = add_passkey(uow, person.user_id, visit, new, body.name)
        if not recovery_codes_left(uow, person.user_id):
            codes = list(replace_recovery_codes(uow, person.user_id))
        if not had_factor:
            revoke_other_sessions(uow, person.user_id, visit, person.session_id)
        session = renew_session(uow, person.session_id, has_second_factor=True)
    set_session_cookie(request, response, session)
    return RegisteredPasskey(id=passkey_id, recovery_codes=codes)


@router.delete(
    "/me/passkeys/{passkey_id}", operation_id="me_passkeys_remove", summary="Remove a passkey", status_code=204
)
def remove(caller: Annotated[Caller, signed_in()], passkey_id: UUID, request: Request, response: Response) -> None:
    person, visit = confirmed_person(caller), visit_of(request)
    with caller.deps.units.person(person.user_id) as uow:
        remove_passkey(uow, person.user_id, visit, PasskeyId(passkey_id))
        still = bool(second_factors_of(uow, person.user_id))
        revoke_other_sessions(uow, person.user_id, visit, person.session_id)
        session = renew_session(uow, person.session_id, has_second_factor=still)
    set_session_cookie(request, response, session)


@router.post(
    "/auth/passkey/options",
    operation_id="auth_passkey_begin",
    summary="Begin to sign in with a passkey, alone or as the second step of login",
    dependencies=[anybody()],
)
def begin_sign_in(body: PasskeySignIn, request: Request, deps: Deps) -> PasskeyAsked:
    check_origin(request.method, request.headers, deps.public_url)
    token, challenge = new_token(), secrets.token_bytes(_CHALLENGE_BYTES)
    token_hash = hash_token(token)
    payload: dict[str, object] = {"challenge": _written(challenge)}
    allowed: list[bytes] = []
    if body.ticket is None:
        count(deps.units, passwordless_keys(visit_of(request).remote_addr))
        with deps.units.credential(token_hash.hex()) as uow:
            issue_ticket(uow, Purpose.PASSKEY_SIGN_IN, token_hash, payload=payload)
    else:
        first_step = hash_token(body.ticket.get_secret_value())
        with deps.units.credential(first_step.hex()) as uow:
            user_id = ticket_of(uow, Purpose.SECOND_FACTOR, first_step).user_id
        if user_id is None:
            raise ticket_refused()
        with deps.units.person(user_id) as uow:
            allowed = [each.credential_id for each in passkeys_of(uow, user_id)]
            payload["first_step"] = first_step.hex()
            issue_ticket(uow, Purpose.PASSKEY_SIGN_IN, token_hash, user_id=user_id, payload=payload)
    options = deps.passkeys.sign_in_options(
        _site(request), challenge=challenge, allowed=allowed, needs_verification=body.ticket is None
    )
    return PasskeyAsked(ticket=token, options=options)


@router.post(
    "/auth/passkey", operation_id="auth_passkey", summary="Finish signing in with a passkey", dependencies=[anybody()]
)
def sign_in(body: PasskeyAnswer, request: Request, response: Response, deps: Deps) -> SignedInUser:
    check_origin(request.method, request.headers, deps.public_url)
    token_hash, visit = hash_token(body.ticket.get_secret_value()), visit_of(request)
    credential_id = deps.passkeys.credential_id(body.credential)
    with deps.units.credential(token_hash.hex()) as uow:
        ticket = ticket_of(uow, Purpose.PASSKEY_SIGN_IN, token_hash)
    keys = passwordless_keys(visit.remote_addr) if ticket.user_id is None else second_factor_keys(ticket.user_id)
    count(deps.units, keys)
    # Used up before anything is checked: a challenge is answered once.
    opened = deps.units.credential(token_hash.hex()) if ticket.user_id is None else deps.units.person(ticket.user_id)
    with opened as uow:
        use_up_ticket(uow, Purpose.PASSKEY_SIGN_IN, token_hash)
    with deps.units.credential(credential_id.hex()) as uow:
        passkey = presented_passkey(uow, credential_id)
    handle = deps.passkeys.user_handle(body.credential)
    if ticket.user_id not in {None, passkey.user_id} or handle not in {None, passkey.user_id.bytes}:
        raise passkey_refused()
    use = deps.passkeys.use(
        _site(request),
        _challenge(ticket),
        body.credential,
        public_key=passkey.public_key,
        sign_count=passkey.sign_count,
    )
    if ticket.user_id is None and not use.is_user_verified:
        raise passkey_refused()  # whoever holds the device is not yet the person
    with deps.units.person(passkey.user_id) as uow:
        if ticket.user_id is not None:
            use_up_ticket(uow, Purpose.SECOND_FACTOR, bytes.fromhex(str(ticket.payload["first_step"])))
        use_passkey(uow, passkey, use)
        session = start_session(
            uow,
            passkey.user_id,
            user_agent=visit.user_agent,
            remote_addr=visit.remote_addr,
            replaces=session_hash(request),
            has_second_factor=True,
        )
        how = ["passkey"] if ticket.user_id is None else ["password", "passkey"]
        note(uow, passkey.user_id, visit, "signed_in", {"with": how})
        user = user_of(uow, passkey.user_id)
    refund(deps.units, (*keys, *sign_in_keys(user.email, visit.remote_addr)) if ticket.user_id else keys)
    set_session_cookie(request, response, session)
    return shown_user(user, session.expires_at)


def _site(request: Request) -> Site:
    """As browsers see us. A wrong host of a stranger's making helps nobody: passkeys are bound to the right one."""
    public_url = request.app.state.deps.public_url
    origin = public_url or f"{request.url.scheme}://{request.headers.get('host', '')}"
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        host = None
    return Site(host or "localhost", origin)


def _challenge(ticket: Ticket) -> bytes:
    return base64.b64decode(str(ticket.payload["challenge"]))


def _written(challenge: bytes) -> str:
    return base64.b64encode(challenge).decode("ascii")

"""Where links in mails lead: plain forms, which say the same to the same operations as any program does."""

from collections.abc import Callable
from typing import Annotated, Final, TypeVar
from urllib.parse import parse_qsl

from fastapi import APIRouter, Body, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ValidationError

from strata_api.authentication import authenticated, origin_of
from strata_api.cached_answers import ends
from strata_api.deps import Caller, Deps, anybody
from strata_api.errors import status_of
from strata_api.link_pages import SCRIPT_PATH, Field, LinkPage, done_page, form_page, script
from strata_api.origins import check_origin
from strata_api.routes.invitations import Acceptance, accept_invitation
from strata_api.routes.me import EmailConfirmation, post_email_confirmation
from strata_api.routes.passwords import PasswordReset, confirm_reset
from strata_core.caching.kinds import PROFILES
from strata_core.mail.texts import TEXTS, MailKind
from strata_datamodel.errors import InvalidError, Problem, StrataError

router = APIRouter(include_in_schema=False, dependencies=[anybody()])
_FIELDS: Final = 8
Given = dict[str, str]
Read = TypeVar("Read", bound=BaseModel)
Form = Annotated[bytes, Body(media_type="application/x-www-form-urlencoded")]

INVITATION: Final = LinkPage(
    TEXTS[MailKind.INVITATION].page or "",
    "Accept your invitation",
    "Choose a password to make your account. If you have an account and are signed in, leave it empty.",
    "Accept",
    "You are a member now. Sign in with your address and your password.",
    (
        Field("name", "Your name", autocomplete="name", is_required=False),
        Field("password", "Password", "password", "new-password", is_required=False),
    ),
)
PASSWORD: Final = LinkPage(
    TEXTS[MailKind.PASSWORD_RESET].page or "",
    "Set a new password",
    "All your sessions end with it.",
    "Set password",
    "Your password is set. Sign in with it.",
    (Field("password", "New password", "password", "new-password"),),
)
EMAIL: Final = LinkPage(
    TEXTS[MailKind.EMAIL_CHANGE].page or "",
    "Confirm your new address",
    "Do it in the browser where you are signed in.",
    "Confirm",
    "This is your address now.",
)


@router.get(SCRIPT_PATH, operation_id="links_script")
def get_script() -> Response:
    return script()


@router.get(INVITATION.path, operation_id="links_invitation")
def invitation_form() -> HTMLResponse:
    return form_page(INVITATION)


@router.post(INVITATION.path, operation_id="links_invitation_accept")
def accept(request: Request, deps: Deps, form: Form = b"") -> HTMLResponse:
    def work(given: Given) -> None:
        accept_invitation(_read(Acceptance, {name: value for name, value in given.items() if value}), request, deps)

    return _answered(request, deps, INVITATION, form, work)


@router.get(PASSWORD.path, operation_id="links_password")
def password_form() -> HTMLResponse:
    return form_page(PASSWORD)


@router.post(PASSWORD.path, operation_id="links_password_set")
def set_password(request: Request, deps: Deps, form: Form = b"") -> HTMLResponse:
    def work(given: Given) -> None:
        confirm_reset(_read(PasswordReset, given), request, deps)

    return _answered(request, deps, PASSWORD, form, work)


@router.get(EMAIL.path, operation_id="links_email")
def email_form() -> HTMLResponse:
    return form_page(EMAIL)


@router.post(EMAIL.path, operation_id="links_email_confirm")
def confirm_email(request: Request, deps: Deps, form: Form = b"") -> HTMLResponse:
    def work(given: Given) -> None:
        caller = Caller(authenticated(deps, request), origin_of(request), deps)
        confirmed = post_email_confirmation(caller, _read(EmailConfirmation, given), Response())
        ends(request, confirmed.id, PROFILES)

    return _answered(request, deps, EMAIL, form, work)


def _answered(request: Request, deps: Deps, page: LinkPage, form: bytes, work: Callable[[Given], None]) -> HTMLResponse:
    """Refuses another site's page before anything is looked at: a browser would send it a session's cookie."""
    given: Given = {}
    try:
        check_origin(request.method, request.headers, deps.public_url)
        given = _given(form, page)
        work(given)
    except StrataError as error:
        answer = form_page(page, given=given, error=error)
        answer.status_code = status_of(error)
        return answer
    return done_page(page)


def _given(form: bytes, page: LinkPage) -> Given:
    known = {"token", *(field.name for field in page.fields)}
    try:
        pairs = parse_qsl(form.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError:
        raise InvalidError("the form cannot be read", code="bad_form") from None
    return {name: value.strip() if name == "token" else value for name, value in pairs if name in known}


def _read(model: type[Read], given: Given) -> Read:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False, include_context=False)
        problems = [
            Problem(f"/{'/'.join(map(str, each['loc']))}", f"{each['loc'][0]}: {each['msg']}") for each in wrong
        ]
        raise InvalidError("the form is not filled in right", code="bad_form", problems=problems) from None

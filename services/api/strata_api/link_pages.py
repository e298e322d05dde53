"""The pages that links in mails lead to, as HTML: a form, or what came of it. They work without scripts."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from fastapi.responses import HTMLResponse, Response

from strata_datamodel.errors import StrataError

SCRIPT_PATH: Final = "/links/token.js"
# What stands behind `#` is not sent to a server. The script puts it into the form, and takes it out of the address bar.
_SCRIPT: Final = """const field = document.querySelector("input[name=token]");
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (field && token) {
  field.value = token;
  field.closest("label").hidden = true;
  history.replaceState(null, "", location.pathname);
}
"""
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'",
    # With `no-referrer` browsers would hide from where a form is sent even from us.
    "referrer-policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    label: str
    kind: str = "text"
    autocomplete: str = "off"
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class LinkPage:
    path: str
    title: str
    intro: str
    button: str
    done: str
    fields: tuple[Field, ...] = ()


TOKEN: Final = Field("token", "What stands behind #token= in the mail's link")


def form_page(page: LinkPage, *, given: dict[str, str] | None = None, error: StrataError | None = None) -> HTMLResponse:
    """Empty, or again with what was refused. A password is never filled in again."""
    values = given or {}
    fields = "".join(_input(field, values) for field in (TOKEN, *page.fields))
    body = (
        f"{_problem(error)}<p>{escape(page.intro)}</p>"
        f'<form method="post" action="{page.path}">{fields}<p><button>{escape(page.button)}</button></p></form>'
        f'<script src="{SCRIPT_PATH}"></script>'
    )
    return _html(page.title, body)


def done_page(page: LinkPage) -> HTMLResponse:
    return _html(page.title, f"<p>{escape(page.done)}</p>")


def script() -> Response:
    return Response(_SCRIPT, media_type="text/javascript")


def _input(field: Field, values: dict[str, str]) -> str:
    value = "" if field.kind == "password" else f' value="{escape(values.get(field.name, ""))}"'
    required = " required" if field.is_required else ""
    attributes = f'name="{field.name}" type="{field.kind}" autocomplete="{field.autocomplete}"{value}{required}'
    return f"<p><label>{escape(field.label)}<br><input {attributes}></label></p>"


def _problem(error: StrataError | None) -> str:
    if error is None:
        return ""
    more: Sequence[str | None] = [*(problem.detail for problem in error.problems), error.hint]
    told = "".join(f"<br>{escape(each)}" for each in more if each)
    return f'<p role="alert"><strong>{escape(error.detail)}</strong>{told}</p>'


def _html(title: str, body: str) -> HTMLResponse:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    text = f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>{body}</body></html>'
    return HTMLResponse(text, headers=_HEADERS)

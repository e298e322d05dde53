"""Whether a state change that a browser's cookie vouches for was really started by our own pages."""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from strata_datamodel.errors import DeniedError

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def is_safe(method: str) -> bool:
    """Whether it changes nothing, as RFC 9110 has it."""
    return method in _SAFE_METHODS


def check_origin(method: str, headers: Headers, public_url: str | None = None) -> None:
    """Raises DeniedError (code `cross_site_request`).

    Browsers send Sec-Fetch-Site to https and localhost, and Origin with every unsafe method. What sends neither is
    no browser, so no page of somebody else's can have made it send our cookie.
    """
    if is_safe(method):
        return
    site = headers.get("sec-fetch-site")
    if site in {"same-origin", "none"}:
        return
    origin = headers.get("origin")
    if origin is not None and _is_ours(origin, headers.get("host"), public_url):
        return
    if site is None and origin is None:
        return
    raise DeniedError(
        "a page of another site may not do this with your session",
        code="cross_site_request",
        hint="programs present an API key instead of a cookie",
    )


def _is_ours(origin: str, host: str | None, public_url: str | None) -> bool:
    if public_url is not None and origin == _origin_of(public_url):
        return True
    try:
        return bool(host) and urlsplit(origin).netloc == host
    except ValueError:
        return False


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

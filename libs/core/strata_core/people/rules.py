"""Pure decisions about what people say of themselves."""

from urllib.parse import urlsplit

from strata_datamodel.errors import InvalidError, Problem
from strata_datamodel.limits import NAME_LENGTH, URL_LENGTH


def check_person_name(name: str) -> str:
    """May be empty. Raises InvalidError (code `bad_name`)."""
    stripped = name.strip()
    if len(stripped) > NAME_LENGTH or not stripped.isprintable():
        raise InvalidError(
            "this name cannot be used",
            code="bad_name",
            problems=[Problem("/name", f"expected at most {NAME_LENGTH} printable characters")],
        )
    return stripped


def check_avatar(url: str | None) -> str | None:
    """Raises InvalidError (code `bad_avatar`)."""
    if url is None:
        return None
    try:
        parts = urlsplit(url) if len(url) <= URL_LENGTH and url.isprintable() and " " not in url else None
    except ValueError:
        parts = None
    if parts is None or parts.scheme != "https" or not parts.hostname or parts.username or parts.password:
        raise InvalidError(
            "this is not the address of a picture",
            code="bad_avatar",
            problems=[Problem("/avatar_url", f"expected an https URL of at most {URL_LENGTH} characters")],
        )
    return url

"""Where a mail server is, and how it is spoken to."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from strata_datamodel.errors import InvalidError

_PORTS: Final = {"smtp": 587, "smtps": 465}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """From `smtp://user:password@host:port` or `smtps://…`. `smtp` turns TLS on with STARTTLS before it says anything
    of worth, except to this machine or with `?starttls=never`."""

    host: str
    port: int
    has_tls: bool
    needs_starttls: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def smtp_server(url: str) -> SmtpServer:
    """Raises InvalidError (code `bad_smtp_url`), which repeats nothing of the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad_url() from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _bad_url()
    options = parse_qs(parts.query)
    if set(options) - {"starttls"} or options.get("starttls", ["never"]) != ["never"]:
        raise _bad_url()
    has_tls = parts.scheme == "smtps"
    return SmtpServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        has_tls=has_tls,
        needs_starttls=not has_tls and "starttls" not in options and parts.hostname not in _LOOPBACK,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def _bad_url() -> InvalidError:
    return InvalidError(
        "this is not the URL of a mail server",
        code="bad_smtp_url",
        hint="smtp://user:password@host:587 or smtps://user:password@host:465; ?starttls=never for plain text",
    )

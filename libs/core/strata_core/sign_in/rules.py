"""Pure decisions about signing in, each with its reason."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from strata_core.access.queries import SessionIdentity
from strata_core.access.rules import check_new_password
from strata_core.ports.known_passwords import KnownPasswords
from strata_datamodel.errors import DeniedError, InvalidError, Problem
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import CONFIRMATION_MINUTES

REQUIRE_MFA: Final = "require_mfa"
"""The organization setting: members come in with a second factor only. Keys are not affected."""

_TELLING_LENGTH: Final = 4  # shorter words are in too many good passwords
_LEET: Final = str.maketrans("013457@$!", "oleastasi")
_DECORATION: Final = re.compile(r"^[\d\W_]{0,6}(.*?)[\d\W_]{0,6}$", re.DOTALL)


def check_password(password: str, known: KnownPasswords, about: Iterable[str] = ()) -> None:
    """Raises InvalidError (code `weak_password`). `about` is what a stranger knows of the person: their address, their
    organizations' names."""
    check_new_password(password)
    if any(known.knows(form) for form in _forms(password)):
        raise _weak("is among the passwords that are tried first, or one of them with decoration")
    folded = password.casefold()
    if any(word in folded for text in about for word in _words(text)):
        raise _weak("contains your e-mail address or your organization's name")


def needs_confirmation(session: SessionIdentity, now: datetime) -> bool:
    return now - session.authenticated_at > timedelta(minutes=CONFIRMATION_MINUTES)


def check_entry(settings: Mapping[str, object], organization_id: OrganizationId, session: SessionIdentity) -> None:
    """Whether this session may enter an organization that the person belongs to. Raises DeniedError."""
    if settings.get(REQUIRE_MFA) is not True or session.has_second_factor or session.confined_to == organization_id:
        return
    raise DeniedError(
        "the organization asks for a second factor",
        code="second_factor_required",
        hint="enrol one at /api/v1/me/totp or /api/v1/me/passkeys; with one enrolled, sign in again",
    )


def _forms(password: str) -> Iterable[str]:
    plain = unicodedata.normalize("NFKC", password).casefold()
    stem = _stem(plain)
    return (plain, plain.translate(_LEET), stem, stem.translate(_LEET), _stem(plain.translate(_LEET)))


def _stem(text: str) -> str:
    match = _DECORATION.match(text)
    return match[1] if match else text


def _words(text: str) -> Iterable[str]:
    folded = text.casefold().strip()
    name, at, domain = folded.rpartition("@")
    parts = [folded, *(re.split(r"[\W_]+", name) if at else ()), *(domain.split(".")[:-1] if at else ())]
    parts += [folded.replace(" ", ""), folded.replace(" ", "-")]
    return [part for part in parts if len(part) >= _TELLING_LENGTH]


def _weak(reason: str) -> InvalidError:
    return InvalidError(
        f"this password {reason}",
        code="weak_password",
        hint="take several words that nobody would connect with you, or let a password manager choose",
        problems=[Problem("/password", reason)],
    )

"""Who may change how a person signs in: that person, with a session of their own, having just proved who they are."""

from datetime import datetime

from fastapi import Request

from strata_api.authentication import origin_of, session_confined
from strata_api.deps import Caller
from strata_core.access.queries import KeyIdentity, SessionIdentity
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.sign_in.limits import AttemptKey, count_attempt, fingerprint, refund_attempt
from strata_core.sign_in.rules import needs_confirmation
from strata_core.sign_in.visits import Visit
from strata_datamodel.errors import DeniedError, UnauthenticatedError


def visit_of(request: Request) -> Visit:
    origin = origin_of(request)
    return Visit(origin.request_id, origin.remote_addr, request.headers.get("user-agent"))


def person_of(caller: Caller) -> SessionIdentity:
    """Raises DeniedError for a key, and for a session that only an organization's identity provider vouches for: with
    it, that organization could take over the person's account."""
    if isinstance(caller.principal, KeyIdentity):
        raise DeniedError("this belongs to a person", code="person_required", hint="sign in instead of using a key")
    if caller.principal.confined_to is not None:
        raise session_confined()
    return caller.principal


def confirmed_person(caller: Caller) -> SessionIdentity:
    """Raises DeniedError (code `confirmation_required`) when they proved it too long ago: a browser left alone must
    not be enough to change how somebody signs in."""
    person = person_of(caller)
    require_confirmation(person, caller.deps.clock.now())
    return person


def require_confirmation(person: SessionIdentity, now: datetime) -> None:
    if needs_confirmation(person, now):
        raise DeniedError(
            "confirm who you are first",
            code="confirmation_required",
            hint="POST /api/v1/me/confirmation with your password, or a code of your second factor",
        )


def count(units: UnitsOfWork, keys: tuple[AttemptKey, ...]) -> None:
    """Raises LimitError (code `too_many_attempts`). Counted before anything is looked at, and for good."""
    with units.credential(fingerprint(keys)) as uow:
        refusal = count_attempt(uow, keys)
    if refusal is not None:
        raise refusal


def refund(units: UnitsOfWork, keys: tuple[AttemptKey, ...]) -> None:
    with units.credential(fingerprint(keys)) as uow:
        refund_attempt(uow, keys)


def wrong_code() -> UnauthenticatedError:
    return UnauthenticatedError("the code is wrong, or was used already", code="bad_code", hint="try the next code")

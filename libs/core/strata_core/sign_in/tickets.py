"""Tickets carry somebody from one step to the next: random, short-lived, for one purpose, used once."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, insert, select, update

from strata_core.new_ids import new_id
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import UnauthenticatedError
from strata_datamodel.ids import UserId
from strata_datamodel.limits import PASSWORD_RESET_MINUTES, TICKET_ATTEMPTS, TICKET_MINUTES
from strata_datamodel.tables.sign_in import sign_in_tickets

_TOKEN_BYTES: Final = 32


class Purpose(StrEnum):
    SECOND_FACTOR = "second_factor"
    PASSKEY_REGISTRATION = "passkey_registration"
    PASSKEY_SIGN_IN = "passkey_sign_in"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a purpose
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class Ticket:
    user_id: UserId | None
    payload: Mapping[str, object]
    expires_at: datetime


def new_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """A fast hash is enough: the token has 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def lifetime(purpose: Purpose) -> timedelta:
    return timedelta(minutes=PASSWORD_RESET_MINUTES if purpose is Purpose.PASSWORD_RESET else TICKET_MINUTES)


def issue_ticket(
    uow: UnitOfWork,
    purpose: Purpose,
    token_hash: bytes,
    *,
    user_id: UserId | None = None,
    payload: Mapping[str, object] | None = None,
) -> datetime:
    """When it ends. In the person's unit; a ticket of nobody yet in the unit of the credential `token_hash.hex()`."""
    expires_at = uow.now() + lifetime(purpose)
    uow.execute(
        insert(sign_in_tickets),
        {
            "id": new_id(uow),
            "token_hash": token_hash,
            "purpose": purpose.value,
            "user_id": user_id,
            "payload": dict(payload or {}),
            "created_at": uow.now(),
            "expires_at": expires_at,
        },
    )
    return expires_at


def ticket_of(uow: UnitOfWork, purpose: Purpose, token_hash: bytes) -> Ticket:
    """Raises UnauthenticatedError (code `ticket_refused`) for one that is unknown, over, used or for something else."""
    row = uow.execute(select(sign_in_tickets).where(*_live(uow, purpose, token_hash))).one_or_none()
    if row is None:
        raise ticket_refused()
    return Ticket(None if row.user_id is None else UserId(row.user_id), row.payload, row.expires_at)


def try_ticket(uow: UnitOfWork, purpose: Purpose, token_hash: bytes) -> bool:
    """Counts an attempt with it, and holds it until the transaction ends: of attempts at once, one after the other
    is looked at. False when there are no attempts left."""
    statement = (
        update(sign_in_tickets)
        .where(*_live(uow, purpose, token_hash))
        .values(attempts=sign_in_tickets.c.attempts + 1)
        .returning(sign_in_tickets.c.id)
    )
    return uow.execute(statement).one_or_none() is not None


def use_up_ticket(uow: UnitOfWork, purpose: Purpose, token_hash: bytes) -> Ticket:
    """Once: of callers at once one gets it, the others are refused as `ticket_of` refuses."""
    statement = (
        update(sign_in_tickets)
        .where(*_live(uow, purpose, token_hash, after_try=True))
        .values(used_at=uow.now())
        .returning(sign_in_tickets)
    )
    row = uow.execute(statement).one_or_none()
    if row is None:
        raise ticket_refused()
    return Ticket(None if row.user_id is None else UserId(row.user_id), row.payload, row.expires_at)


def void_tickets(uow: UnitOfWork, user_id: UserId, *purposes: Purpose) -> None:
    """Those of the person that are still open."""
    uow.execute(
        update(sign_in_tickets)
        .where(
            sign_in_tickets.c.user_id == user_id,
            sign_in_tickets.c.purpose.in_([purpose.value for purpose in purposes]),
            sign_in_tickets.c.used_at.is_(None),
        )
        .values(used_at=uow.now())
    )


def ticket_refused() -> UnauthenticatedError:
    """One answer for everything that is wrong with a ticket."""
    return UnauthenticatedError("this step has expired or was done already", code="ticket_refused", hint="start again")


def _live(
    uow: UnitOfWork, purpose: Purpose, token_hash: bytes, *, after_try: bool = False
) -> tuple[ColumnElement[bool], ...]:
    attempts = TICKET_ATTEMPTS + 1 if after_try else TICKET_ATTEMPTS  # the attempt under way is counted already
    return (
        sign_in_tickets.c.token_hash == token_hash,
        sign_in_tickets.c.purpose == purpose.value,
        sign_in_tickets.c.used_at.is_(None),
        sign_in_tickets.c.expires_at > uow.now(),
        sign_in_tickets.c.attempts < attempts,
    )

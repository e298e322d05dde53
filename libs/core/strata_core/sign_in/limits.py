"""How often somebody may try. Counted in PostgreSQL: without it nobody signs in, so this fails closed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil
from typing import Final

from sqlalchemy import case, func, update
from sqlalchemy.dialects.postgresql import insert

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import LimitError
from strata_datamodel.ids import UserId
from strata_datamodel.limits import (
    ATTEMPT_WINDOW_MINUTES,
    INVITATION_LINKS_PER_ADDRESS,
    PASSWORD_RESETS_PER_ACCOUNT,
    PASSWORD_RESETS_PER_ADDRESS,
    SECOND_FACTOR_ATTEMPTS,
    SIGN_INS_PER_ACCOUNT,
    SIGN_INS_PER_ACCOUNT_AND_ADDRESS,
    SIGN_INS_PER_ADDRESS,
)
from strata_datamodel.tables.sign_in import sign_in_attempts

_WINDOW: Final = timedelta(minutes=ATTEMPT_WINDOW_MINUTES)
_SITE_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """Somebody who tries something, and how often they may within the window."""

    kind: str
    subject: str
    at_most: int
    is_refunded_whole: bool = False
    """A success of an account clears its failures; an address that many share gets back the one attempt only."""

    @property
    def key_hash(self) -> bytes:
        return hashlib.sha256(f"{self.kind}\0{self.subject}".encode("utf-8", "surrogatepass")).digest()


def sign_in_keys(email: str, remote_addr: str | None) -> tuple[AttemptKey, ...]:
    """Few from one place for one account; more for the account from everywhere, so that a stranger who floods it from
    one place does not lock its owner out of another."""
    site = site_of(remote_addr)
    return (
        AttemptKey("sign_in.account_and_address", f"{email}\0{site}", SIGN_INS_PER_ACCOUNT_AND_ADDRESS, True),
        AttemptKey("sign_in.account", email, SIGN_INS_PER_ACCOUNT, True),
        AttemptKey("sign_in.address", site, SIGN_INS_PER_ADDRESS),
    )


def passwordless_keys(remote_addr: str | None) -> tuple[AttemptKey, ...]:
    return (AttemptKey("sign_in.address", site_of(remote_addr), SIGN_INS_PER_ADDRESS),)


def second_factor_keys(user_id: UserId) -> tuple[AttemptKey, ...]:
    """Over all tickets: whoever knows the password could have new tickets without end."""
    return (AttemptKey("second_factor", str(user_id), SECOND_FACTOR_ATTEMPTS, True),)


def confirmation_keys(user_id: UserId) -> tuple[AttemptKey, ...]:
    """Guessing a password with somebody's session."""
    return (AttemptKey("confirmation", str(user_id), SECOND_FACTOR_ATTEMPTS, True),)


def password_reset_keys(email: str, remote_addr: str | None) -> tuple[AttemptKey, ...]:
    return (
        AttemptKey("password_reset.account", email, PASSWORD_RESETS_PER_ACCOUNT),
        AttemptKey("password_reset.address", site_of(remote_addr), PASSWORD_RESETS_PER_ADDRESS),
    )


def invitation_keys(remote_addr: str | None) -> tuple[AttemptKey, ...]:
    """Of links that are opened without a credential. Those that were good are refunded."""
    return (AttemptKey("invitation.address", site_of(remote_addr), INVITATION_LINKS_PER_ADDRESS),)


def fingerprint(keys: Sequence[AttemptKey]) -> str:
    """The credential of the unit in which these keys are counted."""
    return " ".join(key.key_hash.hex() for key in keys)


def count_attempt(uow: UnitOfWork, keys: Sequence[AttemptKey]) -> LimitError | None:
    """Before the attempt is looked at, so that a flood at once is counted as a whole. The error is for the caller to
    raise once this is committed."""
    now = uow.now()
    fresh = {"attempts": 1, "window_ends_at": now + _WINDOW}
    # In one order, or two floods that share keys would deadlock.
    ordered = sorted(keys, key=lambda key: key.key_hash)
    statement = insert(sign_in_attempts).values([{"key_hash": key.key_hash, **fresh} for key in ordered])
    is_over = sign_in_attempts.c.window_ends_at <= now
    statement = statement.on_conflict_do_update(
        index_elements=[sign_in_attempts.c.key_hash],
        set_={
            "attempts": case((is_over, 1), else_=sign_in_attempts.c.attempts + 1),
            "window_ends_at": case((is_over, now + _WINDOW), else_=sign_in_attempts.c.window_ends_at),
        },
    )
    rows = {
        row.key_hash: row
        for row in uow.execute(
            statement.returning(
                sign_in_attempts.c.key_hash, sign_in_attempts.c.attempts, sign_in_attempts.c.window_ends_at
            )
        )
    }
    waits = [rows[key.key_hash].window_ends_at - now for key in keys if rows[key.key_hash].attempts > key.at_most]
    return too_many_attempts(max(waits)) if waits else None


def refund_attempt(uow: UnitOfWork, keys: Sequence[AttemptKey]) -> None:
    """After a success: only failures count in the end."""
    for key in sorted(keys, key=lambda key: key.key_hash):
        left = 0 if key.is_refunded_whole else func.greatest(sign_in_attempts.c.attempts - 1, 0)
        uow.execute(update(sign_in_attempts).where(sign_in_attempts.c.key_hash == key.key_hash).values(attempts=left))


def site_of(remote_addr: str | None) -> str:
    """The address, or the /64 of an IPv6 one: a single line owns all of that."""
    try:
        address = ip_address(remote_addr or "")
    except ValueError:
        return remote_addr or "unknown"
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, _SITE_BITS), strict=False))


def too_many_attempts(wait: timedelta) -> LimitError:
    wait_s = max(1, ceil(wait.total_seconds()))
    return LimitError(
        "too many attempts",
        code="too_many_attempts",
        hint=f"try again in {ceil(wait_s / 60)} min",
        retry_after_s=wait_s,
    )

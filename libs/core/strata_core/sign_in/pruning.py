"""Forgetting what has served its time. For a system-wide unit, in bounded bites."""

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.sign_in import sign_in_attempts, sign_in_tickets
from strata_datamodel.tables.users import sessions

_SESSIONS_KEPT: Final = timedelta(days=30)
"""Past its end a session is still evidence, for a while."""


def prune_sign_in(uow: UnitOfWork, *, limit: int) -> int:
    """Attempts whose window is over, tickets past their end, sessions long past theirs; returns how many."""
    now = uow.now()
    attempts = select(sign_in_attempts.c.key_hash).where(sign_in_attempts.c.window_ends_at <= now).limit(limit)
    tickets = select(sign_in_tickets.c.id).where(sign_in_tickets.c.expires_at <= now).limit(limit)
    ended = select(sessions.c.id).where(sessions.c.expires_at <= now - _SESSIONS_KEPT).limit(limit)
    statements = (
        delete(sign_in_attempts).where(sign_in_attempts.c.key_hash.in_(attempts)),
        delete(sign_in_tickets).where(sign_in_tickets.c.id.in_(tickets)),
        delete(sessions).where(sessions.c.id.in_(ended)),
    )
    return sum(uow.execute(statement).rowcount for statement in statements)

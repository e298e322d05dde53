"""Forgetting what has served its time. For a system-wide unit, in bounded bites."""

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import lowest_uuid7
from strata_datamodel.limits import SECURITY_EVENT_DAYS
from strata_datamodel.tables.sign_in import security_events, sign_in_attempts, sign_in_tickets
from strata_datamodel.tables.users import sessions

_SESSIONS_KEPT: Final = timedelta(days=30)
"""Past its end a session is still evidence, for a while."""


def prune_sign_in(uow: UnitOfWork, *, limit: int) -> int:
    """Attempts whose window is over, tickets past their end, sessions long past theirs, and what people can no longer
    want to know of their accounts; returns how many."""
    now = uow.now()
    attempts = select(sign_in_attempts.c.key_hash).where(sign_in_attempts.c.window_ends_at <= now).limit(limit)
    tickets = select(sign_in_tickets.c.id).where(sign_in_tickets.c.expires_at <= now).limit(limit)
    ended = select(sessions.c.id).where(sessions.c.expires_at <= now - _SESSIONS_KEPT).limit(limit)
    first_kept = lowest_uuid7(now - timedelta(days=SECURITY_EVENT_DAYS))
    told = select(security_events.c.id).where(security_events.c.id < first_kept).order_by(security_events.c.id)
    statements = (
        delete(sign_in_attempts).where(sign_in_attempts.c.key_hash.in_(attempts)),
        delete(sign_in_tickets).where(sign_in_tickets.c.id.in_(tickets)),
        delete(sessions).where(sessions.c.id.in_(ended)),
        delete(security_events).where(security_events.c.id.in_(told.limit(limit))),
    )
    return sum(uow.execute(statement).rowcount for statement in statements)

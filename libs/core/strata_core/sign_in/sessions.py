"""Seeing and ending one's own sessions, and giving one a new token. In the person's own unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update

from strata_core.access.commands import NewSession
from strata_core.listing.pages import newest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sign_in.security_events import note
from strata_core.sign_in.tickets import hash_token, new_token
from strata_core.sign_in.visits import Visit
from strata_datamodel.errors import NotFoundError, UnauthenticatedError
from strata_datamodel.ids import SessionId, UserId
from strata_datamodel.tables.users import sessions


@dataclass(frozen=True, slots=True)
class Session:
    id: SessionId
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str | None
    remote_addr: str | None
    has_second_factor: bool


def live_sessions(uow: UnitOfWork, user_id: UserId, before: SessionId | None, limit: int) -> Sequence[Session]:
    """Newest first."""
    statement = select(sessions).where(*_live(uow, user_id))
    return [
        Session(
            id=SessionId(row.id),
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=min(row.idle_expires_at, row.expires_at),
            user_agent=row.user_agent,
            remote_addr=row.remote_addr,
            has_second_factor=row.has_second_factor,
        )
        for row in uow.execute(newest_first(statement, sessions.c.id, before=before, limit=limit))
    ]


def revoke_session(uow: UnitOfWork, user_id: UserId, visit: Visit, session_id: SessionId) -> None:
    """Raises NotFoundError for one that is not theirs or not live."""
    if not _revoke(uow, *_live(uow, user_id), sessions.c.id == session_id):
        raise NotFoundError("there is no such session")
    note(uow, user_id, visit, "session.revoked", {"session_id": str(session_id)})


def revoke_other_sessions(uow: UnitOfWork, user_id: UserId, visit: Visit, kept: SessionId | None) -> int:
    """How many ended; all of them when none is kept."""
    others = () if kept is None else (sessions.c.id != kept,)
    count = _revoke(uow, *_live(uow, user_id), *others)
    if count:
        note(uow, user_id, visit, "session.others_revoked", {"count": count})
    return count


def renew_session(uow: UnitOfWork, session_id: SessionId, *, has_second_factor: bool | None = None) -> NewSession:
    """The same session under a new token, because its person just proved who they are: a token that somebody else may
    have learned before does not come to more rights. The old one works no more."""
    token = new_token()
    changes: dict[str, Any] = {"token_hash": hash_token(token), "authenticated_at": uow.now()}
    if has_second_factor is not None:
        changes["has_second_factor"] = has_second_factor
    statement = (
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
        .values(**changes)
        .returning(sessions.c.user_id, sessions.c.expires_at)
    )
    row = uow.execute(statement).one_or_none()
    if row is None:
        raise UnauthenticatedError("the session has ended", code="session_ended", hint="sign in again")
    return NewSession(session_id=session_id, user_id=row.user_id, token=token, expires_at=row.expires_at)


def _revoke(uow: UnitOfWork, *which: ColumnElement[bool]) -> int:
    ended = uow.execute(update(sessions).where(*which).values(revoked_at=uow.now()).returning(sessions.c.id))
    return len(ended.all())


def _live(uow: UnitOfWork, user_id: UserId) -> tuple[ColumnElement[bool], ...]:
    now = uow.now()
    return (
        sessions.c.user_id == user_id,
        sessions.c.revoked_at.is_(None),
        sessions.c.expires_at > now,
        sessions.c.idle_expires_at > now,
    )

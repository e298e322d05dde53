"""Claiming queued mails and recording how they went: planned → sending → sent, failed or unknown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update

from strata_core.notifying.rules import NotificationState, after_attempt
from strata_core.ports.notifier import Delivery, DeliveryStatus
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import MailId
from strata_datamodel.limits import MAIL_DEADLINE_SECONDS, MAIL_KEPT_DAYS, MAILS_PER_PASS
from strata_datamodel.tables.mails import mails

_OVERDUE = Delivery(DeliveryStatus.FAILED, "expired", "what it says was no longer true")


@dataclass(frozen=True, slots=True)
class ClaimedMail:
    """One attempt that this process owns until its deadline."""

    mail_id: MailId
    kind: str
    recipient: str
    parameters: Mapping[str, str]
    created_at: datetime
    attempts: int


def claim_mails(uow: UnitOfWork, *, limit: int = MAILS_PER_PASS) -> list[ClaimedMail]:
    """In a system unit. A `sending` row past its deadline was left by a process that died: whether it arrived is
    unknown, so it is sent again under the same id. One past its expiry is given up."""
    now, m = uow.now(), mails.c
    due = or_(
        and_(m.state.in_((NotificationState.PLANNED, NotificationState.UNKNOWN)), m.due_at <= now),
        and_(m.state == NotificationState.SENDING, m.deadline_at <= now),
    )
    chosen = select(m.id, m.expires_at).where(due).order_by(m.due_at).limit(limit).with_for_update(skip_locked=True)
    rows = uow.execute(chosen).all()
    expired = [row.id for row in rows if row.expires_at is not None and row.expires_at <= now]
    if expired:
        values = {"state": NotificationState.FAILED, "last_reason": _OVERDUE.reason, "last_detail": _OVERDUE.detail}
        uow.execute(update(mails).where(m.id.in_(expired)).values(**values, updated_at=now))
    live = [row.id for row in rows if row.id not in expired]
    if not live:
        return []
    taken = uow.execute(
        update(mails)
        .where(m.id.in_(live))
        .values(
            state=NotificationState.SENDING,
            attempts=m.attempts + 1,
            deadline_at=now + timedelta(seconds=MAIL_DEADLINE_SECONDS),
            updated_at=now,
        )
        .returning(m.id, m.kind, m.recipient, m.parameters, m.created_at, m.attempts)
    ).mappings()
    return [
        ClaimedMail(
            mail_id=MailId(row["id"]),
            kind=row["kind"],
            recipient=row["recipient"],
            parameters=row["parameters"],
            created_at=row["created_at"],
            attempts=row["attempts"],
        )
        for row in taken
    ]


def record_mail(uow: UnitOfWork, claimed: ClaimedMail, delivery: Delivery) -> NotificationState:
    """In a system unit. Fenced by the attempt number: a process that was overtaken writes nothing."""
    step = after_attempt(delivery, claimed.attempts)
    now, m = uow.now(), mails.c
    uow.execute(
        update(mails)
        .where(m.id == claimed.mail_id, m.attempts == claimed.attempts, m.state == NotificationState.SENDING)
        .values(
            state=step.state,
            due_at=now + timedelta(seconds=step.due_in_s or 0),
            deadline_at=None,
            last_reason=delivery.reason,
            last_detail=delivery.detail,
            sent_at=now if step.state is NotificationState.SENT else None,
            updated_at=now,
        )
    )
    return step.state


def purge_mails(uow: UnitOfWork, *, limit: int) -> int:
    """In a system unit: those whose time is over, in bounded bites; returns how many."""
    m = mails.c
    settled = m.state.in_((NotificationState.SENT, NotificationState.FAILED))
    old = select(m.id).where(settled, m.created_at < uow.now() - timedelta(days=MAIL_KEPT_DAYS)).limit(limit)
    return uow.execute(mails.delete().where(m.id.in_(old))).rowcount

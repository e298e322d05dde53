"""Pure decisions about invitations, each with its reason."""

from datetime import datetime, timedelta
from enum import StrEnum

from strata_datamodel.errors import ConflictError, LimitError
from strata_datamodel.limits import INVITATION_MAIL_PAUSE_SECONDS, INVITATION_MAILS


class InvitationStatus(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


def status_of(
    accepted_at: datetime | None, revoked_at: datetime | None, expires_at: datetime, now: datetime
) -> InvitationStatus:
    if accepted_at is not None:
        return InvitationStatus.ACCEPTED
    if revoked_at is not None:
        return InvitationStatus.REVOKED
    return InvitationStatus.EXPIRED if expires_at <= now else InvitationStatus.OPEN


def require_open(status: InvitationStatus) -> None:
    """Raises ConflictError (codes `invitation_accepted`, `invitation_revoked`, `invitation_expired`)."""
    if status is not InvitationStatus.OPEN:
        past = {InvitationStatus.EXPIRED: "has expired"}.get(status, f"was {status}")
        raise ConflictError(f"this invitation {past}", code=f"invitation_{status}", hint="ask for another invitation")


def require_mail_allowed(sent_count: int, sent_at: datetime, now: datetime) -> None:
    """Raises LimitError."""
    if sent_count >= INVITATION_MAILS:
        raise LimitError(
            f"this invitation was sent {sent_count} times",
            code="invitation_mails_limit",
            hint="revoke it, and ask the person whether they get your mails (limit INVITATION_MAILS)",
        )
    left = sent_at + timedelta(seconds=INVITATION_MAIL_PAUSE_SECONDS) - now
    if left > timedelta(0):
        raise LimitError(
            "this invitation was sent a moment ago",
            code="invitation_sent_recently",
            hint="a mail may take minutes to arrive",
            retry_after_s=max(1, round(left.total_seconds())),
        )

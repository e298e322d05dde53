"""Inviting, sending again, revoking, accepting."""

from datetime import timedelta
from typing import Final

from sqlalchemy import func, insert, select, update

from strata_core.access.rules import folded_email, require
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.invitations.queries import Invitation, invitation_of, unknown_link
from strata_core.invitations.rules import InvitationStatus, require_mail_allowed, require_open
from strata_core.mail.commands import queue_mail
from strata_core.mail.links import LinkKey
from strata_core.mail.texts import MailKind
from strata_core.members.queries import MemberFilter, member_page
from strata_core.members.rules import check_role, require_rank
from strata_core.new_ids import new_id
from strata_core.organizations.queries import organization_of
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import ConflictError, LimitError
from strata_datamodel.ids import InvitationId, UserId
from strata_datamodel.limits import INVITATION_DAYS, OPEN_INVITATIONS_PER_ORGANIZATION
from strata_datamodel.tables.people import invitations

CREATED: Final = "invitation.created"
SENT_AGAIN: Final = "invitation.sent_again"
REVOKED: Final = "invitation.revoked"
ACCEPTED: Final = "invitation.accepted"
_LIFE: Final = timedelta(days=INVITATION_DAYS)


def invite(ctx: Context, uow: UnitOfWork, link_key: LinkKey, *, email: str, role: str) -> Invitation:
    """Raises DeniedError (code `grant_exceeds_grantor`), ConflictError (codes `already_member`, `already_invited`)."""
    require(ctx, "members:write")
    address, wanted = folded_email(email), check_role(role)
    require_rank(ctx, wanted)
    if member_page(ctx, uow, limit=1, where=MemberFilter(email=address)):
        raise ConflictError("this person is a member already", code="already_member")
    _end_expired(ctx, uow, address)
    _check_room(uow)
    invitation_id = InvitationId(new_id(uow))
    expires_at = uow.now() + _LIFE
    shown: dict[str, object] = {"email": address, "role": wanted, "expires_at": expires_at}
    hidden: dict[str, object] = {
        "organization_id": uow.organization_id,
        "id": invitation_id,
        "invited_by": ctx.actor.label,
        "token_hash": _mailed(uow, link_key, address, wanted, ctx.actor.label),
        "sent_at": uow.now(),
        "created_at": uow.now(),
        "updated_at": uow.now(),
    }
    try:
        uow.execute(insert(invitations), shown | hidden)
    except ConflictError as error:  # somebody was faster by a moment
        if error.code != "already_exists":
            raise
        raise _already_invited() from error
    _tell(ctx, uow, CREATED, invitation_id, None, shown)
    return invitation_of(uow, invitation_id)


def send_again(ctx: Context, uow: UnitOfWork, link_key: LinkKey, invitation_id: InvitationId) -> Invitation:
    """A new link with its full time; the one before stops working."""
    require(ctx, "members:write")
    before = invitation_of(uow, invitation_id, lock=True)
    require_rank(ctx, before.role)
    if before.status is not InvitationStatus.EXPIRED:
        require_open(before.status)
    require_mail_allowed(before.sent_count, before.sent_at, uow.now())
    expires_at = uow.now() + _LIFE
    token_hash = _mailed(uow, link_key, before.email, before.role, ctx.actor.label)
    _update(
        uow,
        invitation_id,
        token_hash=token_hash,
        expires_at=expires_at,
        sent_at=uow.now(),
        sent_count=before.sent_count + 1,
    )
    old = {"email": before.email, "expires_at": before.expires_at}
    _tell(ctx, uow, SENT_AGAIN, invitation_id, old, {"email": before.email, "expires_at": expires_at})
    return invitation_of(uow, invitation_id)


def revoke_invitation(ctx: Context, uow: UnitOfWork, invitation_id: InvitationId) -> Invitation:
    """The link stops working at once. Revoking a revoked one changes nothing."""
    require(ctx, "members:write")
    before = invitation_of(uow, invitation_id, lock=True)
    require_rank(ctx, before.role)
    if before.status is InvitationStatus.REVOKED:
        return before
    if before.status is InvitationStatus.ACCEPTED:
        raise ConflictError(
            "this invitation was accepted", code="invitation_accepted", hint="remove the member instead"
        )
    _revoke(ctx, uow, before)
    return invitation_of(uow, invitation_id)


def taken_invitation(uow: UnitOfWork, invitation_id: InvitationId, token_hash: bytes) -> Invitation:
    """Locked and open, for acceptance in this transaction. Of several who accept at once, one gets through."""
    found = invitation_of(uow, invitation_id, lock=True)
    here = (invitations.c.organization_id == uow.organization_id, invitations.c.id == invitation_id)
    if uow.execute(select(invitations.c.token_hash).where(*here)).scalar_one() != token_hash:
        raise unknown_link()  # sent again since it was looked up
    require_open(found.status)
    return found


def finish_invitation(ctx: Context, uow: UnitOfWork, taken: Invitation, user_id: UserId) -> None:
    _update(uow, taken.id, accepted_at=uow.now(), accepted_by=user_id)
    after: dict[str, object] = {"email": taken.email, "role": taken.role, "user_id": str(user_id)}
    _tell(ctx, uow, ACCEPTED, taken.id, None, after)


def _mailed(uow: UnitOfWork, link_key: LinkKey, address: str, role: str, inviter: str) -> bytes:
    expires_at = uow.now() + _LIFE
    queued = queue_mail(
        uow,
        link_key,
        MailKind.INVITATION,
        to=address,
        parameters={
            "organization": organization_of(uow, str(uow.organization_id)).name,
            "inviter": inviter,
            "role": role.replace("_", "-"),
            "expires_at": f"{expires_at:%Y-%m-%d %H:%M} UTC",
        },
        organization_id=uow.organization_id,
        expires_at=expires_at,
    )
    return queued.token_hash


def _end_expired(ctx: Context, uow: UnitOfWork, address: str) -> None:
    """One that ran out makes room for the new one; one that did not is in the way."""
    here = (invitations.c.organization_id == uow.organization_id, invitations.c.email == address)
    unanswered = (invitations.c.accepted_at.is_(None), invitations.c.revoked_at.is_(None))
    found = uow.execute(select(invitations.c.id).where(*here, *unanswered)).scalar_one_or_none()
    if found is None:
        return
    old = invitation_of(uow, InvitationId(found), lock=True)
    if old.status is InvitationStatus.OPEN:
        raise _already_invited()
    if old.status is InvitationStatus.EXPIRED:
        _revoke(ctx, uow, old)


def _check_room(uow: UnitOfWork) -> None:
    i = invitations.c
    mine = (i.organization_id == uow.organization_id, i.accepted_at.is_(None), i.revoked_at.is_(None))
    if uow.execute(select(func.count()).where(*mine)).scalar_one() >= OPEN_INVITATIONS_PER_ORGANIZATION:
        raise LimitError(
            f"an organization has at most {OPEN_INVITATIONS_PER_ORGANIZATION} open invitations",
            code="invitations_limit",
            hint="revoke those that nobody answers (limit OPEN_INVITATIONS_PER_ORGANIZATION)",
        )


def _revoke(ctx: Context, uow: UnitOfWork, before: Invitation) -> None:
    _update(uow, before.id, revoked_at=uow.now())
    _tell(ctx, uow, REVOKED, before.id, {"email": before.email, "role": before.role}, None)


def _update(uow: UnitOfWork, invitation_id: InvitationId, **changes: object) -> None:
    uow.execute(
        update(invitations)
        .where(invitations.c.organization_id == uow.organization_id, invitations.c.id == invitation_id)
        .values(**changes, version=invitations.c.version + 1, updated_at=uow.now())
    )


def _tell(
    ctx: Context,
    uow: UnitOfWork,
    kind: str,
    invitation_id: InvitationId,
    before: dict[str, object] | None,
    after: dict[str, object] | None,
) -> None:
    record(ctx, uow, kind, "invitation", str(invitation_id), before=before, after=after)
    append(uow, Event(kind, 1, "invitation", invitation_id))


def _already_invited() -> ConflictError:
    return ConflictError(
        "this address has an open invitation", code="already_invited", hint="send it again, or revoke it first"
    )

"""Queueing mails: a mail is sent if, and only if, the transaction that queues it commits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import insert

from strata_core.mail.links import LinkKey, hash_link_token
from strata_core.mail.texts import MailKind
from strata_core.new_ids import new_id
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import MailId, OrganizationId, UserId
from strata_datamodel.tables.mails import mails


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """Keep `token_hash` and an expiry beside what the link is for: whoever presents the token has read this mail.
    A mail sent anew has another token."""

    mail_id: MailId
    token_hash: bytes = field(repr=False)


def queue_mail(
    uow: UnitOfWork,
    link_key: LinkKey,
    kind: MailKind,
    *,
    to: str,
    parameters: Mapping[str, str],
    organization_id: OrganizationId | None = None,
    user_id: UserId | None = None,
    expires_at: datetime | None = None,
) -> QueuedMail:
    """Of an organization (in its unit) or of a person (in theirs, `user_id` alone). `to` is a folded address.
    `parameters` are those that the kind's text names, without `link`, and hold no secrets. A mail that could not be
    sent by `expires_at` is given up."""
    mail_id = _queued(uow, kind, to, parameters, organization_id, user_id, expires_at)
    return QueuedMail(mail_id, hash_link_token(link_key.token(mail_id)))


def queue_notice(uow: UnitOfWork, kind: MailKind, *, to: str, parameters: Mapping[str, str], user_id: UserId) -> MailId:
    """Of a kind without a link, to a person, in their unit."""
    return _queued(uow, kind, to, parameters, None, user_id, None)


def _queued(
    uow: UnitOfWork,
    kind: MailKind,
    to: str,
    parameters: Mapping[str, str],
    organization_id: OrganizationId | None,
    user_id: UserId | None,
    expires_at: datetime | None,
) -> MailId:
    mail_id = MailId(new_id(uow))
    uow.execute(
        insert(mails),
        {
            "id": mail_id,
            "organization_id": organization_id,
            "user_id": user_id,
            "kind": kind.value,
            "recipient": to,
            "parameters": dict(parameters),
            "due_at": uow.now(),
            "expires_at": expires_at,
            "created_at": uow.now(),
            "updated_at": uow.now(),
        },
    )
    return mail_id

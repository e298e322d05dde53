"""Changing a password, and setting a new one for somebody who forgot it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select, update

from strata_core.access.password_rows import keep_password_hash
from strata_core.access.queries import SignInCandidate
from strata_core.mail.commands import queue_mail
from strata_core.mail.links import LinkKey
from strata_core.mail.texts import MailKind
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sign_in.announcing import announce
from strata_core.sign_in.security_events import note
from strata_core.sign_in.sessions import revoke_other_sessions
from strata_core.sign_in.tickets import Purpose, issue_ticket, lifetime, ticket_refused, use_up_ticket, void_tickets
from strata_core.sign_in.visits import Visit
from strata_datamodel.ids import SessionId, UserId
from strata_datamodel.tables.organizations import memberships, organizations
from strata_datamodel.tables.users import password_hashes, users


@dataclass(frozen=True, slots=True)
class Account:
    """What a password is checked against."""

    user_id: UserId
    email: str
    password_hash: str | None = field(repr=False)
    about: Sequence[str]
    """What a stranger knows of the person, and tries."""


def account_of(uow: UnitOfWork, user_id: UserId) -> Account:
    """In the person's unit."""
    row = uow.execute(select(users.c.email, users.c.name).where(users.c.id == user_id)).one()
    password_hash = uow.execute(
        select(password_hashes.c.password_hash).where(password_hashes.c.user_id == user_id)
    ).scalar_one_or_none()
    named = (
        select(organizations.c.name, organizations.c.slug)
        .join(memberships, memberships.c.organization_id == organizations.c.id)
        .where(memberships.c.user_id == user_id)
    )
    words = [text for each in uow.execute(named) for text in (each.name, each.slug)]
    return Account(user_id, row.email, password_hash, (row.email, row.name, *words))


def is_still_the_password(uow: UnitOfWork, candidate: SignInCandidate, rehashed: str | None) -> bool:
    """Whether the hash that was compared stands yet: the password may have been changed while it was looked at.
    `rehashed` takes its place, made from the same password with today's parameters."""
    statement = (
        update(password_hashes)
        .where(
            password_hashes.c.user_id == candidate.user_id, password_hashes.c.password_hash == candidate.password_hash
        )
        .values(password_hash=rehashed or password_hashes.c.password_hash)
        .returning(password_hashes.c.user_id)
    )
    return uow.execute(statement).one_or_none() is not None


def change_password(
    uow: UnitOfWork,
    account: Account,
    visit: Visit,
    *,
    password_hash: str,
    kept: SessionId,
) -> None:
    """All other sessions end, and open links to set another password do."""
    _set_password(uow, account.user_id, password_hash)
    void_tickets(uow, account.user_id, Purpose.PASSWORD_RESET, Purpose.SECOND_FACTOR)
    revoke_other_sessions(uow, account.user_id, visit, kept)
    announce(uow, account.user_id, visit, "password.changed")


def ask_password_reset(uow: UnitOfWork, user_id: UserId, email: str, visit: Visit, link_key: LinkKey) -> None:
    """Mails a link; the ones before work no more."""
    void_tickets(uow, user_id, Purpose.PASSWORD_RESET)
    expires_at = uow.now() + lifetime(Purpose.PASSWORD_RESET)
    mail = queue_mail(
        uow,
        link_key,
        MailKind.PASSWORD_RESET,
        to=email,
        parameters={"expires_at": expires_at.strftime("%Y-%m-%d %H:%M UTC")},
        user_id=user_id,
        expires_at=expires_at,
    )
    issue_ticket(uow, Purpose.PASSWORD_RESET, mail.token_hash, user_id=user_id)
    note(uow, user_id, visit, "password.reset_asked")


def reset_password(uow: UnitOfWork, account: Account, visit: Visit, *, token_hash: bytes, password_hash: str) -> None:
    """With the link from the mail, once. Raises UnauthenticatedError (code `ticket_refused`).

    Ends every session and signs nobody in: a second factor is still asked for."""
    if use_up_ticket(uow, Purpose.PASSWORD_RESET, token_hash).user_id != account.user_id:
        raise ticket_refused()
    _set_password(uow, account.user_id, password_hash)
    # The mail was read, so the address is theirs.
    verified = {"email_verified_at": func.coalesce(users.c.email_verified_at, uow.now()), "failed_login_count": 0}
    uow.execute(update(users).where(users.c.id == account.user_id).values(**verified))
    void_tickets(uow, account.user_id, Purpose.PASSWORD_RESET, Purpose.SECOND_FACTOR)
    revoke_other_sessions(uow, account.user_id, visit, None)
    announce(uow, account.user_id, visit, "password.reset")


def _set_password(uow: UnitOfWork, user_id: UserId, password_hash: str) -> None:
    keep_password_hash(uow, user_id, password_hash)
    uow.execute(update(users).where(users.c.id == user_id).values(version=users.c.version + 1, updated_at=uow.now()))

"""Changes of how somebody signs in: noted for them, told by mail, and audited in every organization they belong to."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import select

from strata_core.audit.commands import record
from strata_core.context import Actor, ActorKind, Context
from strata_core.mail.commands import queue_notice
from strata_core.mail.texts import MailKind
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sign_in.security_events import note
from strata_core.sign_in.visits import Visit
from strata_datamodel.ids import OrganizationId, UserId
from strata_datamodel.tables.organizations import memberships
from strata_datamodel.tables.users import users

SIGN_IN_CHANGED: Final = "user.sign_in_changed"
MAILS: Final[Mapping[str, MailKind]] = {
    "password.changed": MailKind.PASSWORD_CHANGED,
    "password.reset": MailKind.PASSWORD_CHANGED,
    "totp.enrolled": MailKind.FACTOR_ADDED,
    "totp.removed": MailKind.FACTOR_REMOVED,
    "passkey.added": MailKind.FACTOR_ADDED,
    "passkey.removed": MailKind.FACTOR_REMOVED,
    "recovery_codes.replaced": MailKind.RECOVERY_CODES_REPLACED,
    "recovery_code.used": MailKind.RECOVERY_CODE_USED,
}
_NAMES: Final = {"totp": "an authenticator app", "passkey": "a passkey"}


def announce(
    uow: UnitOfWork, user_id: UserId, visit: Visit, action: str, detail: Mapping[str, object] | None = None
) -> None:
    """In the person's unit, with the change itself: whoever came by their session cannot keep quiet about it."""
    note(uow, user_id, visit, action, detail)
    email = uow.execute(select(users.c.email).where(users.c.id == user_id)).scalar_one()
    told = {
        "what": _NAMES.get(action.partition(".")[0], ""),
        "at": f"{uow.now():%Y-%m-%d %H:%M} UTC",
        "where": visit.remote_addr or "an address that is not known",
    }
    queue_notice(uow, MAILS[action], to=email, parameters=told, user_id=user_id)
    mine = select(memberships.c.organization_id).where(memberships.c.user_id == user_id)
    # In the order of their ids, so that two changes at once do not wait for each other in a ring.
    for organization_id in uow.execute(mine.order_by(memberships.c.organization_id)).scalars().all():
        actor = Actor(ActorKind.USER, user_id, email)
        ctx = Context(OrganizationId(organization_id), actor, frozenset(), visit.request_id, visit.remote_addr)
        with uow.within(ctx.organization_id) as bound:
            record(ctx, bound, f"user.{action.replace('.', '_')}", "user", str(user_id), after=detail or {})
            append(bound, Event(SIGN_IN_CHANGED, 1, "user", user_id, {"action": action}))

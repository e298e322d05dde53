"""What people change of themselves. Each organization they belong to keeps it in its audit log."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from sqlalchemy import func, insert, select, update

from strata_core.access.rules import folded_email
from strata_core.audit.commands import record
from strata_core.mail.commands import queue_mail
from strata_core.mail.links import LinkKey, hash_link_token
from strata_core.mail.texts import MailKind
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.people.person import Person
from strata_core.people.queries import Profile, profile_of
from strata_core.people.rules import check_avatar, check_person_name
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sign_in.security_events import note
from strata_core.sign_in.visits import Visit
from strata_datamodel.errors import ConflictError, LimitError, NotFoundError
from strata_datamodel.ids import OrganizationId, UserId
from strata_datamodel.limits import EMAIL_CHANGE_HOURS, EMAIL_CHANGES_PER_DAY
from strata_datamodel.tables.organizations import memberships
from strata_datamodel.tables.people import email_changes
from strata_datamodel.tables.users import users

USER_CHANGED: Final = "user.changed"
_DAY: Final = timedelta(days=1)


def change_profile(person: Person, uow: UnitOfWork, changes: Mapping[str, object]) -> Profile:
    """Of `name` and `avatar_url` those that are there. The caller has compared versions on the locked row."""
    before = profile_of(uow, person.user_id, lock=True)
    wanted: dict[str, object] = {}
    if "name" in changes:
        wanted["name"] = check_person_name(str(changes["name"]))
    if "avatar_url" in changes:
        avatar = changes["avatar_url"]
        wanted["avatar_url"] = check_avatar(None if avatar is None else str(avatar))
    wanted = {name: value for name, value in wanted.items() if value != getattr(before, name)}
    if not wanted:
        return before
    _update(uow, person.user_id, wanted)
    _tell(person, uow, before, "user.changed", {name: getattr(before, name) for name in wanted}, wanted)
    return profile_of(uow, person.user_id)


def ask_for_email_change(person: Person, uow: UnitOfWork, link_key: LinkKey, email: str) -> None:
    """Sends a link to the new address; nothing changes before it is followed. The answer is the same whether the
    address belongs to somebody else: only its owner may learn that. The caller has seen
    them prove anew who they are."""
    address = folded_email(email)
    before = profile_of(uow, person.user_id, lock=True)
    if address == before.email:
        raise ConflictError("this is your address already", code="same_email")
    recent = (email_changes.c.user_id == person.user_id, email_changes.c.created_at > uow.now() - _DAY)
    if uow.execute(select(func.count()).where(*recent)).scalar_one() >= EMAIL_CHANGES_PER_DAY:
        raise LimitError(
            f"a new address is asked for at most {EMAIL_CHANGES_PER_DAY} times a day",
            code="email_changes_limit",
            hint="try again tomorrow (limit EMAIL_CHANGES_PER_DAY)",
            retry_after_s=int(_DAY.total_seconds()),
        )
    expires_at = uow.now() + timedelta(hours=EMAIL_CHANGE_HOURS)
    queued = queue_mail(
        uow,
        link_key,
        MailKind.EMAIL_CHANGE,
        to=address,
        parameters={"expires_at": f"{expires_at:%Y-%m-%d %H:%M} UTC"},
        user_id=person.user_id,
        expires_at=expires_at,
    )
    uow.execute(
        insert(email_changes),
        {
            "id": new_id(uow),
            "user_id": person.user_id,
            "email": address,
            "token_hash": queued.token_hash,
            "expires_at": expires_at,
            "created_at": uow.now(),
        },
    )
    _tell(person, uow, before, "user.email_change_asked", {"email": before.email}, {"email": address})


def confirm_email_change(person: Person, uow: UnitOfWork, link_key: LinkKey, token: str) -> Profile:
    """The link's holder reads the new mailbox, and is signed in as the one who asked. Works once, and ends the others
    that are under way. The old address is told. Raises NotFoundError, ConflictError (code `email_taken`)."""
    before = profile_of(uow, person.user_id, lock=True)
    mine = (email_changes.c.user_id == person.user_id, email_changes.c.used_at.is_(None))
    this = (email_changes.c.token_hash == hash_link_token(token), email_changes.c.expires_at > uow.now())
    address = uow.execute(select(email_changes.c.email).where(*mine, *this)).scalar_one_or_none()
    if address is None:
        raise NotFoundError(
            "this link is not yours, was used, or has expired", code="link_unknown", hint="ask for the change again"
        )
    uow.execute(update(email_changes).where(*mine).values(used_at=uow.now()))
    try:
        _update(uow, person.user_id, {"email": address, "email_verified_at": uow.now()})
    except ConflictError as error:
        if error.code != "already_exists":
            raise
        raise ConflictError(
            "another account has this address", code="email_taken", hint="sign in to that account instead"
        ) from error
    visit = Visit(person.request_id, person.remote_addr, None)
    note(uow, person.user_id, visit, "email.changed", {"before": before.email, "after": str(address)})
    told = {"new_email": str(address)}
    queue_mail(uow, link_key, MailKind.EMAIL_CHANGED, to=before.email, parameters=told, user_id=person.user_id)
    _tell(person, uow, before, "user.email_changed", {"email": before.email}, {"email": address})
    return profile_of(uow, person.user_id)


def _update(uow: UnitOfWork, user_id: UserId, changes: Mapping[str, object]) -> None:
    values = {**changes, "version": users.c.version + 1, "updated_at": uow.now()}
    uow.execute(update(users).where(users.c.id == user_id).values(**values))


def _tell(
    person: Person,
    uow: UnitOfWork,
    before: Profile,
    action: str,
    old: Mapping[str, object],
    new: Mapping[str, object],
) -> None:
    """In the order of their ids, so that two changes at once do not wait for each other in a ring."""
    mine = select(memberships.c.organization_id).where(memberships.c.user_id == person.user_id)
    for organization_id in uow.execute(mine.order_by(memberships.c.organization_id)).scalars().all():
        ctx = person.context(OrganizationId(organization_id), before.email)
        with uow.within(ctx.organization_id) as bound:
            record(ctx, bound, action, "user", str(person.user_id), before=old, after=new)
            append(bound, Event(USER_CHANGED, 1, "user", person.user_id, {"fields": sorted(new)}))

"""Accepting an invitation: as somebody new, or as somebody known who is signed in."""

from sqlalchemy import insert, update

from strata_core.access.password_rows import keep_password_hash
from strata_core.context import Context
from strata_core.invitations.commands import finish_invitation, taken_invitation
from strata_core.invitations.queries import Invitation
from strata_core.members.membership_rows import add_member, lock_members
from strata_core.members.queries import Member, member_of, membership_of_user
from strata_core.organizations.queries import organization_of
from strata_core.organizations.rules import require_active
from strata_core.people.person import Person
from strata_core.people.queries import profile_of
from strata_core.people.rules import check_person_name
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import ConflictError, DeniedError, UnauthenticatedError
from strata_datamodel.tables.users import users


def join_as_new(
    person: Person, uow: UnitOfWork, presented: Invitation, token_hash: bytes, *, name: str, password_hash: str
) -> Member:
    """In the unit of a user id that nobody has yet. Whoever holds the link reads the mailbox, so the address counts as
    verified. Raises UnauthenticatedError (code `sign_in_to_accept`) when the address has an account."""
    shown_name = check_person_name(name)
    with uow.within(presented.organization_id) as bound:
        taken = _taken(bound, presented, token_hash)
        row = {
            "id": person.user_id,
            "email": taken.email,
            "email_verified_at": uow.now(),
            "name": shown_name,
            "created_at": uow.now(),
            "updated_at": uow.now(),
        }
        try:
            bound.execute(insert(users), row)
        except ConflictError as error:
            if error.code != "already_exists":
                raise
            raise sign_in_first() from error
        keep_password_hash(bound, person.user_id, password_hash)
        return _joined(person.context(taken.organization_id, taken.email), bound, taken, person)


def join_as_known(person: Person, uow: UnitOfWork, presented: Invitation, token_hash: bytes) -> Member:
    """In the person's unit. Raises DeniedError (code `invitation_for_another`) unless the invited address is theirs."""
    with uow.within(presented.organization_id) as bound:
        taken = _taken(bound, presented, token_hash)
        profile = profile_of(bound, person.user_id, lock=True)
        if profile.email != taken.email:
            raise DeniedError(
                "this invitation was sent to another address than yours",
                code="invitation_for_another",
                hint="sign in with the address it was sent to, or ask for an invitation to yours",
            )
        if profile.email_verified_at is None:
            verified = {"email_verified_at": uow.now(), "version": users.c.version + 1, "updated_at": uow.now()}
            bound.execute(update(users).where(users.c.id == person.user_id).values(**verified))
        return _joined(person.context(taken.organization_id, profile.email), bound, taken, person)


def sign_in_first() -> UnauthenticatedError:
    return UnauthenticatedError(
        "the invited address has an account", code="sign_in_to_accept", hint="sign in with it, then accept again"
    )


def _taken(bound: UnitOfWork, presented: Invitation, token_hash: bytes) -> Invitation:
    require_active(organization_of(bound, str(presented.organization_id)).status)
    lock_members(bound)
    return taken_invitation(bound, presented.id, token_hash)


def _joined(ctx: Context, bound: UnitOfWork, taken: Invitation, person: Person) -> Member:
    """Somebody who came to belong in the meantime keeps the role they have."""
    finish_invitation(ctx, bound, taken, person.user_id)
    known = membership_of_user(bound, person.user_id)
    if known is not None:
        return known
    member_id = add_member(ctx, bound, person.user_id, email=taken.email, role=taken.role, action="member.joined")
    return member_of(bound, member_id)

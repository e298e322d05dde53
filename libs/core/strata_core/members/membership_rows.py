"""Putting a new member into the table: invited, imported; and one change of members at a time."""

from sqlalchemy import insert, select

from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.members.events import MEMBER_ADDED, member_event
from strata_core.members.queries import member_count
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import LimitError
from strata_datamodel.ids import MembershipId, UserId
from strata_datamodel.limits import MEMBERS_PER_ORGANIZATION
from strata_datamodel.tables.organizations import memberships, organizations


def add_member(ctx: Context, uow: UnitOfWork, user_id: UserId, *, email: str, role: str, action: str) -> MembershipId:
    """What was asked for has been judged by the caller, who saw that they are no member. Raises LimitError."""
    if member_count(uow) >= MEMBERS_PER_ORGANIZATION:
        raise LimitError(
            f"an organization has at most {MEMBERS_PER_ORGANIZATION} members",
            code="members_limit",
            hint="limit MEMBERS_PER_ORGANIZATION",
        )
    member_id = MembershipId(new_id(uow))
    ids = {"organization_id": uow.organization_id, "id": member_id, "user_id": user_id}
    uow.execute(insert(memberships), {**ids, "role": role, "created_at": uow.now(), "updated_at": uow.now()})
    after = {"user_id": str(user_id), "email": email, "role": role}
    record(ctx, uow, action, "membership", str(member_id), after=after)
    append(uow, member_event(MEMBER_ADDED, member_id, user_id, role))
    return member_id


def lock_members(uow: UnitOfWork) -> None:
    """One change of members at a time: of two owners who leave at once, the second sees that the first is gone."""
    statement = select(organizations.c.id).where(organizations.c.id == uow.organization_id)
    uow.execute(statement.with_for_update(key_share=True))  # lets rows that refer to the organization come in meanwhile

"""Changing who belongs to an organization, and as what. An organization always keeps an owner."""

from dataclasses import dataclass

from sqlalchemy import delete, update

from strata_core.access.permissions import Role
from strata_core.access.rules import require, require_grantable
from strata_core.audit.commands import record
from strata_core.context import ActorKind, Context
from strata_core.members.events import MEMBER_CHANGED, MEMBER_REMOVED, member_event
from strata_core.members.membership_rows import lock_members
from strata_core.members.queries import Member, member_of, membership_of_user, owner_count
from strata_core.members.rules import check_role, keep_an_owner, require_rank
from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.effective import member_grants
from strata_datamodel.errors import ConflictError, DeniedError, NotFoundError, PreconditionError
from strata_datamodel.ids import MembershipId, UserId
from strata_datamodel.tables.organizations import memberships


@dataclass(frozen=True, slots=True)
class Transferred:
    new_owner: Member
    former_owner: Member


def change_role(ctx: Context, uow: UnitOfWork, member_id: MembershipId, role: str, version: int) -> Member:
    """Raises ConflictError (code `last_owner`), DeniedError (code `grant_exceeds_grantor`), PreconditionError."""
    require(ctx, "members:write")
    wanted = check_role(role)
    before = _locked(uow, member_id)
    if before.version != version:
        raise PreconditionError(
            "somebody changed this member since you read it", hint="read it again, repeat the change"
        )
    require_grantable(ctx, member_grants(uow, before.user_id, before.role))
    require_rank(ctx, wanted)
    if before.role == wanted:
        return before
    keep_an_owner(before.role, owner_count(uow))
    return _set_role(ctx, uow, before, wanted)


def remove_member(ctx: Context, uow: UnitOfWork, member_id: MembershipId) -> None:
    """Their account stays. Raises as `change_role` does."""
    require(ctx, "members:write")
    gone = _locked(uow, member_id)
    require_grantable(ctx, member_grants(uow, gone.user_id, gone.role))
    keep_an_owner(gone.role, owner_count(uow))
    _remove(ctx, uow, gone, "member.removed")


def leave_organization(ctx: Context, uow: UnitOfWork, user_id: UserId) -> None:
    """Anybody may, but the last owner. `ctx` speaks for the person. Raises NotFoundError for somebody who does not
    belong to it."""
    lock_members(uow)
    gone = membership_of_user(uow, user_id)
    if gone is None:
        raise NotFoundError("there is no such organization, or it is not yours", code="organization_not_found")
    keep_an_owner(gone.role, owner_count(uow))
    _remove(ctx, uow, gone, "member.left")


def transfer_ownership(ctx: Context, uow: UnitOfWork, member_id: MembershipId) -> Transferred:
    """The caller, an owner, becomes an admin and the member the owner, in one step: there is no moment without one."""
    require(ctx, "members:write")
    successor = _locked(uow, member_id)
    require_rank(ctx, Role.OWNER)
    former = None
    if ctx.actor.kind is ActorKind.USER and ctx.actor.actor_id is not None:
        former = membership_of_user(uow, UserId(ctx.actor.actor_id))
    if former is None or former.role != Role.OWNER:
        raise DeniedError("only an owner can hand ownership over, signed in as themselves", code="not_an_owner")
    if former.id == successor.id:
        raise ConflictError("you are an owner already", code="already_owner", hint="name another member")
    new_owner = successor if successor.role == Role.OWNER else _set_role(ctx, uow, successor, Role.OWNER)
    return Transferred(new_owner=new_owner, former_owner=_set_role(ctx, uow, former, Role.ADMIN))


def _locked(uow: UnitOfWork, member_id: MembershipId) -> Member:
    lock_members(uow)
    return member_of(uow, member_id)


def _set_role(ctx: Context, uow: UnitOfWork, before: Member, role: str) -> Member:
    uow.execute(
        update(memberships)
        .where(memberships.c.organization_id == uow.organization_id, memberships.c.id == before.id)
        .values(role=str(role), version=memberships.c.version + 1, updated_at=uow.now())
    )
    old = {"email": before.email, "role": before.role}
    new = {"email": before.email, "role": str(role)}
    record(ctx, uow, "member.changed", "membership", str(before.id), before=old, after=new)
    append(uow, member_event(MEMBER_CHANGED, before.id, before.user_id, str(role)))
    return member_of(uow, before.id)


def _remove(ctx: Context, uow: UnitOfWork, gone: Member, action: str) -> None:
    here = (memberships.c.organization_id == uow.organization_id, memberships.c.id == gone.id)
    uow.execute(delete(memberships).where(*here))
    before = {"user_id": str(gone.user_id), "email": gone.email, "role": gone.role}
    record(ctx, uow, action, "membership", str(gone.id), before=before)
    append(uow, member_event(MEMBER_REMOVED, gone.id, gone.user_id, None))

"""A transaction for one organization, in somebody's name: the operator's, or a member's that the operator acts as."""

import os
import pwd
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID, uuid4

from strata_cli.administration import administration
from strata_core.access.grants import everywhere, somewhere
from strata_core.access.permissions import PERMISSIONS
from strata_core.access.rules import folded_email
from strata_core.context import Actor, ActorKind, Context
from strata_core.mail.links import LINK_KEY_PURPOSE, LinkKey
from strata_core.members.queries import Member, MemberFilter, member_page
from strata_core.organizations.queries import organization_of
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.effective import member_grants
from strata_datamodel.errors import NotFoundError, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import PAGE_SIZE_MAX
from strata_stores.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Acting:
    ctx: Context
    uow: UnitOfWork
    link_key: LinkKey

    def all(self, page: Callable[[UUID | None], Sequence[T]], place: Callable[[T], UUID]) -> list[T]:
        """Every page of a list, one after the other."""
        found: list[T] = []
        while rows := page(place(found[-1]) if found else None):
            found += rows
            if len(rows) < PAGE_SIZE_MAX:
                break
        return found


@contextmanager
def acting(settings: Settings, org: str, acting_as: str | None, command: str) -> Iterator[Acting]:
    """`command` names what is done, in the audit log's request id. Raises NotFoundError for whoever is no member."""
    with administration(settings, f"strata {command}") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        with relational.system_units.system() as uow:
            organization_id = OrganizationId(organization_of(uow, org).id)
        operator = Actor(ActorKind.SYSTEM, None, f"{account_name()} (command line)")
        ctx = Context(organization_id, operator, PERMISSIONS, f"{command}-{uuid4()}")
        link_key = LinkKey(relational.keyring.derive(LINK_KEY_PURPOSE))
        with relational.system_units.organization(organization_id) as uow:
            yield Acting(ctx if acting_as is None else _as_member(ctx, uow, acting_as), uow, link_key)


def member_named(ctx: Context, uow: UnitOfWork, email: str) -> Member:
    found = member_page(ctx, uow, limit=1, where=MemberFilter(email=folded_email(email)))
    if not found:
        raise NotFoundError(f"{email} is no member", code="member_not_found", hint="`strata members list` shows who is")
    return found[0]


def account_name() -> str:
    """Of who runs this on the machine."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _as_member(operator: Context, uow: UnitOfWork, email: str) -> Context:
    """The label says both: the audit log must not claim that a person did what was done in their name."""
    member = member_named(operator, uow, email)
    grants = member_grants(uow, member.user_id, member.role)
    return Context(
        operator.organization_id,
        Actor(ActorKind.USER, member.user_id, f"{member.email}, by {operator.actor.label}"),
        everywhere(grants),
        operator.request_id,
        scoped=somewhere(grants),
    )

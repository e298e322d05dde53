"""Somebody makes an organization of their own, where the installation lets people do so."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from strata_core.access.permissions import Role
from strata_core.context import Context
from strata_core.new_ids import new_id
from strata_core.organizations.commands import insert_organization, insert_owner
from strata_core.organizations.provisioning import start_provisioning
from strata_core.organizations.queries import Organization, organization_of
from strata_core.organizations.rules import PROVISIONING, check_slug, require_room
from strata_core.people.person import Person
from strata_core.people.queries import profile_of
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import OrganizationId, SagaId
from strata_datamodel.limits import ORGANIZATIONS_PER_PERSON
from strata_datamodel.tables.organizations import memberships


@dataclass(frozen=True, slots=True)
class Founder:
    """Somebody of whom one request at a time makes an organization: the row of their account is locked. `owned` are
    their organizations, newest first, and no more than may be of interest."""

    person: Person
    email: str
    owned: Sequence[OrganizationId]

    def context(self, organization_id: OrganizationId) -> Context:
        return self.person.context(organization_id, self.email)


def founder_of(person: Person, uow: UnitOfWork) -> Founder:
    """In the person's unit."""
    profile, m = profile_of(uow, person.user_id, lock=True), memberships.c
    owned = select(m.organization_id).where(m.user_id == person.user_id, m.role == Role.OWNER.value)
    newest = owned.order_by(m.organization_id.desc()).limit(ORGANIZATIONS_PER_PERSON)
    return Founder(person, profile.email, [OrganizationId(each) for each in uow.execute(newest).scalars()])


def found_organization(founder: Founder, uow: UnitOfWork, *, slug: str, name: str) -> tuple[Organization, SagaId]:
    """In the person's unit: they own it, and nobody is served in it before its saga has opened it. It has no keys yet.
    Raises LimitError (code `organizations_limit`), InvalidError, ConflictError (code `slug_taken`)."""
    check_slug(slug)
    require_room(len(founder.owned))
    organization_id = OrganizationId(new_id(uow))
    ctx = founder.context(organization_id)
    with uow.within(organization_id) as bound:
        insert_organization(ctx, bound, slug=slug, name=name, status=PROVISIONING)
        insert_owner(ctx, bound, founder.person.user_id, founder.email)
        saga_id = start_provisioning(ctx, bound, slug)
        return organization_of(bound, str(organization_id)), saga_id

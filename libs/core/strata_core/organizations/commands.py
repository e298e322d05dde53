"""Beginning and changing organizations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import insert, select, update

from strata_core.access.key_rows import KeyDraft, add_key
from strata_core.access.password_rows import keep_password_hash
from strata_core.access.permissions import PERMISSIONS, Role, Scope
from strata_core.access.rules import folded_email, require
from strata_core.audit.commands import record
from strata_core.bound_unit import BoundUnit
from strata_core.context import Actor, Context
from strata_core.new_ids import new_id
from strata_core.organizations.queries import Organization, organization_of
from strata_core.organizations.rules import ACTIVE, check_name, check_slug
from strata_core.organizations.settings import check_settings
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import ConflictError
from strata_datamodel.ids import MembershipId, OrganizationId, UserId
from strata_datamodel.tables.organizations import memberships, organizations
from strata_datamodel.tables.users import users

PROVISIONED: Final = "organization.provisioned"
CHANGED: Final = "organization.changed"


@dataclass(frozen=True, slots=True)
class OrganizationChanges:
    """None leaves a field as it is."""

    name: str | None = None
    billing_reference: str | None = None
    settings: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Provisioned:
    """The keys are shown once. `is_new_user` is false when the address was known: that person keeps their password."""

    organization: Organization
    user_id: UserId
    email: str
    is_new_user: bool
    admin_key: str = field(repr=False)
    ingest_key: str = field(repr=False)


def provision_organization(
    uow: UnitOfWork,
    *,
    slug: str,
    name: str,
    owner_email: str,
    password_hash: str,
    actor: Actor,
    request_id: str,
    status: str = ACTIVE,
) -> Provisioned:
    """In a system-wide unit: the rows of a new organization with its owner and first keys, all or nothing. Whoever
    gives another status than `active` opens it later.

    Raises ConflictError (code `slug_taken`). A known address becomes a member and nothing else about that person
    changes: whoever makes an organization must not thereby reset the password to the others.
    """
    email, slug, name = folded_email(owner_email), check_slug(slug), check_name(name)
    organization_id = OrganizationId(new_id(uow))
    ctx = Context(organization_id, actor, PERMISSIONS, request_id)
    bound = BoundUnit(uow, organization_id)
    if uow.execute(select(organizations.c.id).where(organizations.c.slug == slug)).first() is not None:
        raise _slug_taken(slug)
    insert_organization(ctx, bound, slug=slug, name=name, status=status)
    user_id, is_new_user = _person(uow, email, password_hash)
    insert_owner(ctx, bound, user_id, email)
    admin_key = add_key(ctx, bound, KeyDraft("admin", [Scope.ADMIN.value]))
    ingest_key = add_key(ctx, bound, KeyDraft("ingest", [Scope.INGEST.value]))
    if status == ACTIVE:
        append(bound, Event(PROVISIONED, 1, "organization", organization_id, {"slug": slug}))
    return Provisioned(
        organization=organization_of(uow, str(organization_id)),
        user_id=user_id,
        email=email,
        is_new_user=is_new_user,
        admin_key=admin_key.text,
        ingest_key=ingest_key.text,
    )


def insert_organization(ctx: Context, uow: UnitOfWork, *, slug: str, name: str, status: str) -> None:
    """Bound to the new organization. Raises ConflictError (code `slug_taken`)."""
    values = {"id": uow.organization_id, "slug": check_slug(slug), "name": check_name(name), "status": status}
    try:
        uow.execute(insert(organizations), values)
    except ConflictError as error:
        raise _slug_taken(slug) from error
    after = {"slug": slug, "name": values["name"]}
    record(ctx, uow, "organization.created", "organization", str(uow.organization_id), after=after)


def insert_owner(ctx: Context, uow: UnitOfWork, user_id: UserId, email: str) -> None:
    """Of a new organization, which has no member yet."""
    membership_id = MembershipId(new_id(uow))
    ids = {"organization_id": uow.organization_id, "id": membership_id, "user_id": user_id}
    uow.execute(insert(memberships), {**ids, "role": Role.OWNER.value})
    after = {"user_id": str(user_id), "email": email, "role": Role.OWNER.value}
    record(ctx, uow, "member.added", "membership", str(membership_id), after=after)


def change_organization(ctx: Context, uow: UnitOfWork, changes: OrganizationChanges) -> Organization:
    """The caller has compared versions within this transaction, on the row that `locked_organization` gave."""
    require(ctx, "organization:write")
    before = organization_of(uow, str(uow.organization_id))
    wanted = {
        name: value
        for name, value in {
            "name": None if changes.name is None else check_name(changes.name),
            "billing_reference": changes.billing_reference,
            "settings": None if changes.settings is None else check_settings(changes.settings),
        }.items()
        if value is not None and value != getattr(before, name)
    }
    if not wanted:
        return before
    uow.execute(
        update(organizations)
        .where(organizations.c.id == uow.organization_id)
        .values(**wanted, version=organizations.c.version + 1, updated_at=uow.now())
    )
    old = {name: getattr(before, name) for name in wanted}
    record(ctx, uow, "organization.changed", "organization", str(uow.organization_id), before=old, after=wanted)
    append(uow, Event(CHANGED, 1, "organization", uow.organization_id, {"fields": sorted(wanted)}))
    return organization_of(uow, str(uow.organization_id))


def locked_organization(uow: UnitOfWork) -> Organization:
    """Held until the transaction ends, so that a version compared now is still the version when it is written."""
    uow.execute(select(organizations.c.id).where(organizations.c.id == uow.organization_id).with_for_update())
    return organization_of(uow, str(uow.organization_id))


def _person(uow: UnitOfWork, email: str, password_hash: str) -> tuple[UserId, bool]:
    known = uow.execute(select(users.c.id).where(users.c.email == email)).scalar_one_or_none()
    if known is not None:
        return UserId(known), False
    user_id = UserId(new_id(uow))
    uow.execute(insert(users), {"id": user_id, "email": email})
    keep_password_hash(uow, user_id, password_hash)
    return user_id, True


def _slug_taken(slug: str) -> ConflictError:
    return ConflictError(
        f"there is an organization {slug} already", code="slug_taken", hint="choose another slug, or use that one"
    )

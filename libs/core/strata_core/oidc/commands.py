"""Setting an identity provider, and finding the member it speaks of. In the organization's unit."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from strata_core.access.grants import everywhere
from strata_core.access.permissions import Role, role_permissions
from strata_core.access.rules import folded_email, require, require_grantable
from strata_core.audit.commands import record
from strata_core.context import Actor, ActorKind, Context
from strata_core.members.events import MEMBER_CHANGED, member_event
from strata_core.new_ids import new_id
from strata_core.oidc.queries import Provider, no_provider, provider_of
from strata_core.oidc.rules import check_issuer, check_roles, role_of
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.identity_provider import Claims
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.effective import member_grants
from strata_core.sign_in.visits import Visit
from strata_datamodel.errors import DeniedError, InvalidError
from strata_datamodel.ids import MembershipId, UserId
from strata_datamodel.tables.identity import external_identities, identity_providers
from strata_datamodel.tables.organizations import memberships
from strata_datamodel.tables.users import users

CHANGED: Final = "identity_provider.changed"
LINKED: Final = "member.identity_linked"


@dataclass(frozen=True, slots=True)
class ProviderDraft:
    issuer: str
    client_id: str
    group_claim: str
    role_by_group: Mapping[str, str]
    is_enabled: bool


def set_provider(
    ctx: Context,
    uow: UnitOfWork,
    draft: ProviderDraft,
    before: Provider | None,
    provider_id: UUID,
    sealed: bytes | None,
) -> Provider:
    """The caller has compared versions on the locked row; without `sealed` its secret stays. Raises DeniedError for
    who could not do all that somebody signed in by it can: they would only have to name that person. Raises
    InvalidError: `bad_issuer`, `bad_role_map`, `client_secret_missing`."""
    require_provider_rights(ctx)
    check_issuer(draft.issuer)
    check_roles(draft.role_by_group)
    secret = sealed if sealed is not None else _kept_secret(draft, before)
    values = {**asdict(draft), "client_secret_sealed": secret, "updated_at": uow.now()}
    if before is None:
        uow.execute(
            insert(identity_providers),
            {"organization_id": uow.organization_id, "id": provider_id, "created_at": uow.now(), **values},
        )
    else:
        uow.execute(
            update(identity_providers)
            .where(identity_providers.c.organization_id == uow.organization_id)
            .values(**values, version=identity_providers.c.version + 1)
        )
    after = {**asdict(draft), "client_secret_changed": sealed is not None}
    _tell(ctx, uow, provider_id, None if before is None else _shown(before), after)
    return provider_of(uow)


def remove_provider(ctx: Context, uow: UnitOfWork, before: Provider | None) -> None:
    require(ctx, "organization:write")
    if before is None:
        raise no_provider()
    require_provider_rights(ctx)
    uow.execute(delete(identity_providers).where(identity_providers.c.organization_id == uow.organization_id))
    _tell(ctx, uow, before.id, _shown(before), None)


def require_provider_rights(ctx: Context) -> None:
    require(ctx, "organization:write")
    require_grantable(ctx, role_permissions(Role.ADMIN))


def member_of_claims(uow: UnitOfWork, provider: Provider, claims: Claims, visit: Visit) -> UserId:
    """The member whom the provider knows by this subject, or at first by their verified address, with the role that
    their groups are given. Raises DeniedError: `not_a_member`, `no_role`, `owner_signs_in_alone`."""
    user_id = _known(uow, provider, claims) or _member_at(uow, claims)
    membership = uow.execute(
        select(memberships)
        .where(memberships.c.organization_id == uow.organization_id, memberships.c.user_id == user_id)
        .with_for_update()
    ).one_or_none()
    if user_id is None or membership is None:
        raise DeniedError(
            "you are not a member of this organization",
            code="not_a_member",
            hint="ask for an invitation to the address that your identity provider has verified",
        )
    beyond = everywhere(member_grants(uow, user_id, membership.role)) - role_permissions(Role.ADMIN)
    role = role_of(claims.groups, provider.role_by_group, membership.role, holds_more_than_admins=bool(beyond))
    ctx = Context(
        uow.organization_id,
        Actor(ActorKind.SYSTEM, None, f"identity provider {provider.issuer}"),
        frozenset(),
        visit.request_id,
        remote_addr=visit.remote_addr,
    )
    # Asked again under the lock: of two first sign-ins at once the second finds what the first has stored.
    _remember(ctx, uow, provider, claims, user_id, is_known=_known(uow, provider, claims) is not None)
    if role != membership.role:
        uow.execute(
            update(memberships)
            .where(memberships.c.organization_id == uow.organization_id, memberships.c.id == membership.id)
            .values(role=role, version=memberships.c.version + 1, updated_at=uow.now())
        )
        before, after = {"role": membership.role}, {"role": role}
        record(ctx, uow, "member.changed", "membership", str(membership.id), before=before, after=after)
        append(uow, member_event(MEMBER_CHANGED, MembershipId(membership.id), user_id, role))
    return user_id


def _kept_secret(draft: ProviderDraft, before: Provider | None) -> bytes:
    if before is None or before.issuer != draft.issuer:
        # The secret of one provider must not be sent to the address of another.
        raise InvalidError("a new issuer needs its client secret", code="client_secret_missing")
    return before.client_secret_sealed


def _known(uow: UnitOfWork, provider: Provider, claims: Claims) -> UserId | None:
    statement = select(external_identities.c.user_id).where(
        external_identities.c.organization_id == uow.organization_id,
        external_identities.c.issuer == provider.issuer,
        external_identities.c.subject == claims.subject,
    )
    found = uow.execute(statement).scalar_one_or_none()
    return None if found is None else UserId(found)


def _member_at(uow: UnitOfWork, claims: Claims) -> UserId | None:
    """Only members: a provider can name any address there is, and must not make strangers members by that."""
    if claims.email is None:
        return None
    try:
        email = folded_email(claims.email)
    except InvalidError:
        return None
    statement = (
        select(users.c.id)
        .join(memberships, memberships.c.user_id == users.c.id)
        .where(memberships.c.organization_id == uow.organization_id, users.c.email == email)
    )
    found = uow.execute(statement).scalar_one_or_none()
    return None if found is None else UserId(found)


def _remember(
    ctx: Context, uow: UnitOfWork, provider: Provider, claims: Claims, user_id: UserId, *, is_known: bool
) -> None:
    if is_known:
        uow.execute(
            update(external_identities)
            .where(
                external_identities.c.organization_id == uow.organization_id,
                external_identities.c.issuer == provider.issuer,
                external_identities.c.subject == claims.subject,
            )
            .values(last_sign_in_at=uow.now())
        )
        return
    identity_id = new_id(uow)
    values = {"issuer": provider.issuer, "subject": claims.subject, "user_id": user_id}
    uow.execute(
        insert(external_identities),
        {"organization_id": uow.organization_id, "id": identity_id, "last_sign_in_at": uow.now(), **values},
    )
    after = {"issuer": provider.issuer, "user_id": str(user_id)}
    record(ctx, uow, LINKED, "external_identity", str(identity_id), after=after)
    append(uow, Event(LINKED, 1, "external_identity", identity_id, after))


def _shown(provider: Provider) -> dict[str, object]:
    return {name: getattr(provider, name) for name in ProviderDraft.__dataclass_fields__}


def _tell(
    ctx: Context,
    uow: UnitOfWork,
    provider_id: UUID,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
) -> None:
    record(ctx, uow, CHANGED, "identity_provider", str(provider_id), before=before, after=after)
    append(uow, Event(CHANGED, 1, "identity_provider", provider_id, {"deleted": after is None}))

"""Why somebody may do a thing, or why not: the same decision as at the door, with what led to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from strata_core.access.grants import Grant, everywhere, scope_text, somewhere
from strata_core.access.permissions import PERMISSIONS, scope_permissions
from strata_core.access.queries import ApiKey, api_key_of
from strata_core.access.rules import Decision, authorise, require
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.roles.effective import (
    Holding,
    granted,
    holdings,
    roles_of_account,
    roles_of_member,
    roles_of_team,
)
from strata_core.roles.subjects import Subject, SubjectKind, subject_not_found
from strata_datamodel.errors import InvalidError, NotFoundError, Problem
from strata_datamodel.ids import ApiKeyId, ServiceAccountId, TeamId, UserId
from strata_datamodel.tables.access import service_accounts
from strata_datamodel.tables.organizations import memberships
from strata_datamodel.tables.teams import teams


@dataclass(frozen=True, slots=True)
class Explanation:
    """`through` names every way in which it is allowed, `missing` what would have to change where it is not."""

    subject: Subject
    permission: str
    labels: Mapping[str, str] | None
    is_allowed: bool
    reason: str
    through: tuple[Holding, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the subject holds by roles, and what bounds it besides. `bound` None bounds nothing; `holdings` None
    stands for a key that no account is behind."""

    name: str
    holdings: tuple[Holding, ...] | None
    bound: frozenset[str] | None = None
    ended: str | None = None

    def grants(self) -> frozenset[Grant]:
        if self.ended is not None:
            return frozenset()
        held = granted(self.holdings) if self.holdings is not None else frozenset(map(Grant, self.bound or ()))
        return held if self.bound is None else frozenset(each for each in held if each.permission in self.bound)


def explain_access(
    ctx: Context, uow: UnitOfWork, subject: Subject, permission: str, labels: Mapping[str, str] | None = None
) -> Explanation:
    """Raises NotFoundError (code `subject_not_found`) for whoever is not of this organization."""
    require(ctx, "roles:read")
    if permission not in PERMISSIONS:
        raise InvalidError(
            "there is no such permission", code="bad_permission", problems=[Problem("query/permission", "unknown")]
        )
    standing = _standing(ctx, uow, subject)
    grants = standing.grants()
    decision = authorise(everywhere(grants), somewhere(grants), permission, labels)
    through: tuple[Holding, ...] = ()
    if decision.is_allowed:
        through = tuple(
            each
            for each in standing.holdings or ()
            if each.grant.permission == permission and (not each.grant.scope or each.grant.reaches(labels or {}))
        )
    return Explanation(
        subject=subject,
        permission=permission,
        labels=labels,
        is_allowed=decision.is_allowed,
        reason=decision.reason if standing.ended is None else standing.ended,
        through=through,
        missing=_missing(standing, decision, permission),
    )


def _missing(standing: _Standing, decision: Decision, permission: str) -> tuple[str, ...]:
    if decision.is_allowed:
        return ()
    if standing.ended is not None:
        return (standing.ended,)
    missing = []
    if standing.bound is not None and permission not in standing.bound:
        missing.append(f"the scopes of the key do not name {permission}")
    if standing.holdings is not None:
        scoped = sorted({each.grant for each in standing.holdings if each.grant.permission == permission})
        if not scoped:
            missing.append(f"no role of {standing.name} holds {permission}")
        elif not any(not grant.scope for grant in scoped):
            missing += [f"{permission} is held only where {scope_text(grant.scope)}" for grant in scoped]
    return tuple(missing)


def _standing(ctx: Context, uow: UnitOfWork, subject: Subject) -> _Standing:
    match subject.kind:
        case SubjectKind.USER:
            here = memberships.c.organization_id == uow.organization_id
            base = select(memberships.c.role).where(here, memberships.c.user_id == subject.id)
            role = uow.execute(base).scalar_one_or_none()
            if role is None:
                raise subject_not_found()
            return _Standing("the member", holdings(uow, roles_of_member(uow, UserId(subject.id), role)))
        case SubjectKind.TEAM:
            here = teams.c.organization_id == uow.organization_id
            name = uow.execute(select(teams.c.name).where(here, teams.c.id == subject.id)).scalar_one_or_none()
            if name is None:
                raise subject_not_found()
            return _Standing(f"the team {name}", holdings(uow, roles_of_team(uow, TeamId(subject.id))))
        case SubjectKind.SERVICE_ACCOUNT:
            require(ctx, "service_accounts:read")
            return _of_account(uow, subject.id)
        case SubjectKind.API_KEY:
            if ctx.actor.actor_id != subject.id:
                require(ctx, "api_keys:read")
            return _of_key(uow, subject.id)


def _of_account(uow: UnitOfWork, account_id: UUID) -> _Standing:
    here = service_accounts.c.organization_id == uow.organization_id
    wanted = select(service_accounts.c.name).where(here, service_accounts.c.id == account_id)
    name = uow.execute(wanted).scalar_one_or_none()
    if name is None:
        raise subject_not_found()
    held = roles_of_account(uow, ServiceAccountId(account_id))
    return _Standing(f"the service account {name}", holdings(uow, held))


def _of_key(uow: UnitOfWork, api_key_id: UUID) -> _Standing:
    try:
        key = api_key_of(uow, ApiKeyId(api_key_id))
    except NotFoundError as error:
        raise subject_not_found() from error
    bound = scope_permissions(key.scopes)
    if key.service_account_id is None:
        return _Standing("the key", None, bound, _ended(uow, key))
    account = _of_account(uow, key.service_account_id)
    return _Standing(account.name, account.holdings, bound, _ended(uow, key))


def _ended(uow: UnitOfWork, key: ApiKey) -> str | None:
    if key.revoked_at is not None:
        return "the key was revoked"
    return "the key has expired" if key.expires_at is not None and key.expires_at <= uow.now() else None

"""Issuing, rotating and revoking keys; starting and ending sessions."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, insert, select, update

from strata_core.access.key_rows import KeyDraft, NewKey, add_key
from strata_core.access.networks import check_networks
from strata_core.access.permissions import check_scopes, scope_permissions
from strata_core.access.queries import ApiKey, api_key_of
from strata_core.access.rules import require, require_grantable
from strata_core.access.tokens import DEFAULT_ENVIRONMENT
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.new_ids import new_id
from strata_core.organizations.queries import organization_statuses
from strata_core.organizations.rules import require_somewhere_to_go
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import ConflictError, InvalidError, LimitError, PreconditionError, Problem
from strata_datamodel.ids import ApiKeyId, OrganizationId, ServiceAccountId, SessionId, UserId
from strata_datamodel.limits import (
    API_KEYS_PER_ORGANIZATION,
    KEY_OVERLAP_HOURS_MAX,
    NAME_LENGTH,
    SCOPES_PER_KEY,
    SESSION_HOURS,
    SESSION_IDLE_HOURS,
    USER_AGENT_LENGTH,
)
from strata_datamodel.tables.access import api_keys, service_accounts
from strata_datamodel.tables.users import sessions, users

_IDLE = timedelta(hours=SESSION_IDLE_HOURS)
_LIFE = timedelta(hours=SESSION_HOURS)
_SESSION_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewSession:
    session_id: SessionId
    user_id: UserId
    token: str = field(repr=False)
    expires_at: datetime


def create_api_key(ctx: Context, uow: UnitOfWork, draft: KeyDraft) -> NewKey:
    """Raises DeniedError (code `grant_exceeds_grantor`) for scopes that the caller does not hold: also where the
    service account does not hold them either, as it may be given more one day, and the caller has its key then."""
    require(ctx, "api_keys:write")
    wanted = check_scopes(draft.scopes[: SCOPES_PER_KEY + 1])
    networks = check_networks(draft.allowed_networks)
    _check_key(draft.name, wanted, draft.expires_at, uow.now())
    require_grantable(ctx, scope_permissions(wanted))
    live = select(func.count()).where(
        api_keys.c.organization_id == uow.organization_id, api_keys.c.revoked_at.is_(None)
    )
    if uow.execute(live).scalar_one() >= API_KEYS_PER_ORGANIZATION:
        raise LimitError(
            f"an organization has at most {API_KEYS_PER_ORGANIZATION} keys",
            code="api_keys_limit",
            hint="revoke keys that nobody uses (limit API_KEYS_PER_ORGANIZATION)",
        )
    if draft.service_account_id is not None:
        _check_account(uow, draft.service_account_id)
    return add_key(ctx, uow, replace(draft, name=draft.name.strip(), scopes=wanted, allowed_networks=networks))


def rotate_api_key(ctx: Context, uow: UnitOfWork, api_key_id: ApiKeyId, *, overlap: timedelta) -> NewKey:
    """A new key like the old one, which works on for `overlap` so that agents can be moved without a gap."""
    require(ctx, "api_keys:write")
    if not timedelta(0) <= overlap <= timedelta(hours=KEY_OVERLAP_HOURS_MAX):
        raise InvalidError(f"the overlap is 0 to {KEY_OVERLAP_HOURS_MAX} hours", code="bad_overlap")
    uow.execute(select(api_keys.c.id).where(_mine(uow, api_key_id)).with_for_update())
    old = api_key_of(uow, api_key_id)
    require_grantable(ctx, scope_permissions(old.scopes))
    if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= uow.now()):
        raise ConflictError("this key does not work any more", code="key_ended", hint="make a new key instead")
    environment = old.environment or DEFAULT_ENVIRONMENT
    # As long a life as the old one was given: with the old end, a key rotated late would be born nearly dead.
    expires_at = None if old.expires_at is None else uow.now() + (old.expires_at - old.created_at)
    like_it = KeyDraft(
        name=old.name,
        scopes=old.scopes,
        environment=environment,
        expires_at=expires_at,
        allowed_networks=old.allowed_networks,
        service_account_id=old.service_account_id,
    )
    new = add_key(ctx, uow, like_it)
    ends_at = min(filter(None, (old.expires_at, uow.now() + overlap)))
    _update_key(uow, api_key_id, expires_at=ends_at)
    record(
        ctx,
        uow,
        "api_key.rotated",
        "api_key",
        str(api_key_id),
        before={"expires_at": old.expires_at},
        after={"expires_at": ends_at, "successor": new.key.id},
    )
    return new


def change_api_key(
    ctx: Context,
    uow: UnitOfWork,
    api_key_id: ApiKeyId,
    version: int,
    *,
    name: str,
    allowed_networks: Sequence[str],
) -> ApiKey:
    """Its name, and where it works from: whoever widens that hands it on, and must hold what it may do. Raises
    PreconditionError when the key is at another version by now."""
    require(ctx, "api_keys:write")
    networks = check_networks(allowed_networks)
    uow.execute(select(api_keys.c.id).where(_mine(uow, api_key_id)).with_for_update())
    old = api_key_of(uow, api_key_id)
    require_grantable(ctx, scope_permissions(old.scopes))
    if old.version != version:
        raise PreconditionError("somebody changed this key since you read it", hint="read it again")
    if old.revoked_at is not None:
        raise ConflictError("this key was revoked", code="key_ended", hint="make a new key instead")
    _check_key(name, old.scopes, None, uow.now())
    _update_key(uow, api_key_id, name=name.strip(), allowed_networks=list(networks))
    new = api_key_of(uow, api_key_id)
    before, after = ({"name": key.name, "allowed_networks": list(key.allowed_networks)} for key in (old, new))
    record(ctx, uow, "api_key.changed", "api_key", str(api_key_id), before=before, after=after)
    return new


def revoke_api_key(ctx: Context, uow: UnitOfWork, api_key_id: ApiKeyId) -> ApiKey:
    """At once and for good. Revoking a revoked key changes nothing."""
    require(ctx, "api_keys:write")
    old = api_key_of(uow, api_key_id)
    if old.revoked_at is not None:
        return old
    _update_key(uow, api_key_id, revoked_at=uow.now())
    after = {"revoked_at": uow.now()}
    record(ctx, uow, "api_key.revoked", "api_key", str(api_key_id), before={"name": old.name}, after=after)
    return api_key_of(uow, api_key_id)


def touch_key(uow: UnitOfWork, api_key_id: ApiKeyId) -> None:
    """Remember that it was used. No change of the entity: its version stays."""
    uow.execute(update(api_keys).where(_mine(uow, api_key_id)).values(last_used_at=uow.now()))


def start_session(
    uow: UnitOfWork,
    user_id: UserId,
    *,
    user_agent: str | None = None,
    remote_addr: str | None = None,
    replaces: bytes | None = None,
    has_second_factor: bool = False,
    confined_to: OrganizationId | None = None,
) -> NewSession:
    """In the person's unit, after they proved who they are. Always a new token: one that somebody planted in the
    browser before signing in is worth nothing; `replaces` is the hash of the one that the browser held, which ends.
    Raises DeniedError when every organization of the person is closed."""
    require_somewhere_to_go(organization_statuses(uow, user_id))
    now = uow.now()
    token = secrets.token_urlsafe(_SESSION_BYTES)
    session_id = SessionId(new_id(uow))
    if replaces is not None:
        end_session(uow, token_hash=replaces)
    uow.execute(
        insert(sessions),
        {
            "id": session_id,
            "user_id": user_id,
            "token_hash": hashlib.sha256(token.encode()).digest(),
            "created_at": now,
            "last_seen_at": now,
            "idle_expires_at": now + _IDLE,
            "expires_at": now + _LIFE,
            "user_agent": user_agent[:USER_AGENT_LENGTH] if user_agent else None,
            "remote_addr": remote_addr,
            "authenticated_at": now,
            "has_second_factor": has_second_factor,
            "confined_to": confined_to,
        },
    )
    changes: dict[str, object] = {
        "last_login_at": now,
        "login_count": users.c.login_count + 1,
        "failed_login_count": 0,
    }
    uow.execute(update(users).where(users.c.id == user_id).values(**changes))
    return NewSession(session_id=session_id, user_id=user_id, token=token, expires_at=now + _LIFE)


def count_failed_sign_in(uow: UnitOfWork, user_id: UserId) -> None:
    """In the person's unit."""
    uow.execute(update(users).where(users.c.id == user_id).values(failed_login_count=users.c.failed_login_count + 1))


def touch_session(uow: UnitOfWork, session_id: SessionId) -> None:
    """Being used keeps a session from idling out, never beyond its absolute end."""
    now = uow.now()
    uow.execute(
        update(sessions)
        .where(sessions.c.id == session_id)
        .values(last_seen_at=now, idle_expires_at=func.least(now + _IDLE, sessions.c.expires_at))
    )


def end_session(uow: UnitOfWork, *, token_hash: bytes) -> None:
    """In the person's unit. Ending an ended session changes nothing."""
    uow.execute(
        update(sessions)
        .where(sessions.c.token_hash == token_hash, sessions.c.revoked_at.is_(None))
        .values(revoked_at=uow.now())
    )


def _update_key(uow: UnitOfWork, api_key_id: ApiKeyId, **changes: object) -> None:
    values = {**changes, "version": api_keys.c.version + 1, "updated_at": uow.now()}
    uow.execute(update(api_keys).where(_mine(uow, api_key_id)).values(**values))


def _mine(uow: UnitOfWork, api_key_id: ApiKeyId) -> ColumnElement[bool]:
    return (api_keys.c.organization_id == uow.organization_id) & (api_keys.c.id == api_key_id)


def _check_account(uow: UnitOfWork, account_id: ServiceAccountId) -> None:
    """Locked, so that it is still there when the key is."""
    here = service_accounts.c.organization_id == uow.organization_id
    wanted = select(service_accounts.c.id).where(here, service_accounts.c.id == account_id)
    if uow.execute(wanted.with_for_update(read=True, key_share=True)).one_or_none() is None:
        problem = Problem("/service_account_id", "there is no such service account")
        raise InvalidError("this key cannot be made", code="bad_key", problems=[problem])


def _check_key(name: str, scopes: Sequence[str], expires_at: datetime | None, now: datetime) -> None:
    problems = []
    if not 1 <= len(name.strip()) <= NAME_LENGTH or not name.isprintable():
        problems.append(Problem("/name", f"expected 1 to {NAME_LENGTH} printable characters"))
    if len(scopes) > SCOPES_PER_KEY:
        problems.append(Problem("/scopes", f"expected at most {SCOPES_PER_KEY}"))
    if expires_at is not None and expires_at <= now:
        problems.append(Problem("/expires_at", "expected an instant in the future"))
    if problems:
        raise InvalidError("this key cannot be made", code="bad_key", problems=problems)

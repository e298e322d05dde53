"""Recognising who presents a credential, and listing what can be presented."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.sql import ColumnElement

from strata_core.access.networks import Network, networks_of
from strata_core.access.permissions import scope_permissions
from strata_core.access.tokens import ParsedToken, hash_secret, is_secret, refused_token
from strata_core.listing.pages import as_asked, newest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import NotFoundError, UnauthenticatedError
from strata_datamodel.ids import ApiKeyId, OrganizationId, ServiceAccountId, SessionId, UserId
from strata_datamodel.tables.access import api_keys
from strata_datamodel.tables.users import password_hashes, sessions, users

_NO_SECRET: Final = hash_secret("")


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """Whoever presented this key acts for its organization, and no other."""

    organization_id: OrganizationId
    api_key_id: ApiKeyId
    key_id: str
    name: str
    environment: str
    scopes: tuple[str, ...]
    permissions: frozenset[str]
    """What the scopes name. The key of a service account may do at most what the account may, besides."""
    service_account_id: ServiceAccountId | None
    expires_at: datetime | None
    last_used_at: datetime | None
    allowed_networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionIdentity:
    session_id: SessionId
    user_id: UserId
    last_seen_at: datetime
    idle_expires_at: datetime
    expires_at: datetime
    authenticated_at: datetime
    has_second_factor: bool
    confined_to: OrganizationId | None
    """The organization whose identity provider vouched for the person: elsewhere its word counts for nothing."""


@dataclass(frozen=True, slots=True)
class User:
    id: UserId
    email: str
    name: str
    avatar_url: str | None
    plan: str
    last_login_at: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class SignInCandidate:
    user_id: UserId
    email: str
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its owners see it: never its secret."""

    id: ApiKeyId
    key_id: str
    name: str
    scopes: tuple[str, ...]
    environment: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_by: UUID | None
    service_account_id: ServiceAccountId | None
    created_at: datetime
    updated_at: datetime
    version: int
    allowed_networks: tuple[str, ...] = ()


def recognise_key(uow: UnitOfWork, token: ParsedToken) -> KeyIdentity:
    """In a unit opened for the credential `token.key_id`, or for the organization.

    Raises UnauthenticatedError: `bad_token`, and for holders of the secret `token_revoked` or `token_expired`.
    """
    row = uow.execute(select(api_keys).where(api_keys.c.key_id == token.key_id)).one_or_none()
    if not is_secret(token.secret, _NO_SECRET if row is None else row.secret_hash) or row is None:
        raise refused_token()
    if row.revoked_at is not None:
        raise UnauthenticatedError("the API key was revoked", code="token_revoked", hint="use another key")
    if row.expires_at is not None and row.expires_at <= uow.now():
        raise UnauthenticatedError("the API key has expired", code="token_expired", hint="rotate it or make a new one")
    return KeyIdentity(
        organization_id=OrganizationId(row.organization_id),
        api_key_id=ApiKeyId(row.id),
        key_id=row.key_id,
        name=row.name,
        environment=row.environment or "",
        scopes=tuple(row.scopes),
        permissions=scope_permissions(row.scopes),
        service_account_id=row.service_account_id,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        allowed_networks=networks_of(row.allowed_networks),
    )


def recognise_session(uow: UnitOfWork, token_hash: bytes) -> SessionIdentity:
    """In a unit opened for the credential `token_hash.hex()`. Raises UnauthenticatedError (code `session_ended`)."""
    row = uow.execute(select(sessions).where(sessions.c.token_hash == token_hash)).one_or_none()
    if row is None or row.revoked_at is not None or min(row.idle_expires_at, row.expires_at) <= uow.now():
        raise UnauthenticatedError("the session has ended", code="session_ended", hint="sign in again")
    return SessionIdentity(
        session_id=SessionId(row.id),
        user_id=UserId(row.user_id),
        last_seen_at=row.last_seen_at,
        idle_expires_at=row.idle_expires_at,
        expires_at=row.expires_at,
        authenticated_at=row.authenticated_at,
        has_second_factor=row.has_second_factor,
        confined_to=None if row.confined_to is None else OrganizationId(row.confined_to),
    )


def sign_in_candidate(uow: UnitOfWork, email: str) -> SignInCandidate | None:
    """In a unit opened for the credential `email`, which is folded already."""
    with_hash = users.outerjoin(password_hashes, password_hashes.c.user_id == users.c.id)
    columns = (users.c.id, users.c.email, password_hashes.c.password_hash)
    statement = select(*columns).select_from(with_hash).where(users.c.email == email)
    row = uow.execute(statement).one_or_none()
    return None if row is None else SignInCandidate(UserId(row.id), row.email, row.password_hash)


def user_of(uow: UnitOfWork, user_id: UserId) -> User:
    row = uow.execute(select(users).where(users.c.id == user_id)).one_or_none()
    if row is None:
        raise NotFoundError("there is no such user")
    return User(
        id=UserId(row.id),
        email=row.email,
        name=row.name,
        avatar_url=row.avatar_url,
        plan=row.plan,
        last_login_at=row.last_login_at,
        version=row.version,
    )


def api_key_of(uow: UnitOfWork, api_key_id: ApiKeyId) -> ApiKey:
    row = uow.execute(select(api_keys).where(_is_key(uow, api_key_id))).one_or_none()
    if row is None:
        raise NotFoundError("there is no such API key")
    return _api_key(row)


def api_keys_after(
    uow: UnitOfWork, after: ApiKeyId | None, limit: int, *, service_account_id: ServiceAccountId | None = None
) -> Sequence[ApiKey]:
    """Newest first."""
    asked = as_asked(api_keys, service_account_id=service_account_id)
    statement = select(api_keys).where(api_keys.c.organization_id == uow.organization_id, *asked)
    return [_api_key(row) for row in uow.execute(newest_first(statement, api_keys.c.id, before=after, limit=limit))]


def _is_key(uow: UnitOfWork, api_key_id: ApiKeyId) -> ColumnElement[bool]:
    return (api_keys.c.organization_id == uow.organization_id) & (api_keys.c.id == api_key_id)


def _api_key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        id=ApiKeyId(row.id),
        key_id=row.key_id,
        name=row.name,
        scopes=tuple(row.scopes),
        environment=row.environment or "",
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        created_by=row.created_by,
        service_account_id=row.service_account_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
        allowed_networks=tuple(row.allowed_networks),
    )

"""An organization's identity provider, as it is set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from strata_core.ports.secret_box import SecretPlace
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import NotFoundError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.identity import identity_providers


@dataclass(frozen=True, slots=True)
class Provider:
    id: UUID
    issuer: str
    client_id: str
    client_secret_sealed: bytes = field(repr=False)
    group_claim: str
    role_by_group: Mapping[str, str]
    is_enabled: bool
    created_at: datetime
    updated_at: datetime
    version: int


def secret_place(organization_id: OrganizationId, provider_id: UUID) -> SecretPlace:
    return SecretPlace(organization_id, "identity_providers", "client_secret_sealed", provider_id)


def find_provider(uow: UnitOfWork, *, lock: bool = False) -> Provider | None:
    """In the organization's unit."""
    statement = select(identity_providers).where(identity_providers.c.organization_id == uow.organization_id)
    row = uow.execute(statement.with_for_update() if lock else statement).one_or_none()
    if row is None:
        return None
    return Provider(
        id=row.id,
        issuer=row.issuer,
        client_id=row.client_id,
        client_secret_sealed=row.client_secret_sealed,
        group_claim=row.group_claim,
        role_by_group=row.role_by_group,
        is_enabled=row.is_enabled,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


def provider_of(uow: UnitOfWork) -> Provider:
    """Raises NotFoundError (code `no_identity_provider`)."""
    provider = find_provider(uow)
    if provider is None:
        raise no_provider()
    return provider


def no_provider() -> NotFoundError:
    return NotFoundError("the organization has no identity provider", code="no_identity_provider")

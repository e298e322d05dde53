"""Who sends: a key, the organization it acts for, and whether it may send at all."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from strata_core.access.grants import everywhere
from strata_core.access.networks import Network
from strata_core.access.permissions import INGEST
from strata_core.access.queries import recognise_key
from strata_core.access.tokens import parse_token
from strata_core.organizations.queries import organization_of
from strata_core.organizations.rules import require_active
from strata_core.ports.rate_limiter import Bucket
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.quotas.queries import quotas_in_force
from strata_core.quotas.rules import Quota, quota_bucket
from strata_core.roles.effective import key_grants
from strata_core.tier_retentions.queries import retentions_in_force
from strata_datamodel.errors import DeniedError, NotFoundError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tiers import Tier

_SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Caller:
    organization_id: OrganizationId
    organization_slug: str
    organization_name: str
    key_id: str
    expires_at: datetime | None
    networks: tuple[Network, ...]
    request_buckets: tuple[Bucket, ...]
    byte_bucket: Bucket
    point_bucket: Bucket
    raw_kept_ns: int


def recognise_caller(units: UnitsOfWork, token_text: str) -> Caller:
    """Raises UnauthenticatedError for a key that is not valid, DeniedError for one that may not send, and
    StoreUnavailableError when nobody can tell."""
    token = parse_token(token_text)
    with units.credential(token.key_id) as uow:
        key = recognise_key(uow, token)
    with units.organization(key.organization_id) as uow:
        organization = organization_of(uow, str(key.organization_id))
        values = quotas_in_force(uow)
        grants = key_grants(uow, key)
        kept_s = retentions_in_force(uow)[Tier.RAW]
    if INGEST not in everywhere(grants):
        raise DeniedError(
            "this key may not send telemetry", code="scope_missing", hint="use a key with the scope `ingest`"
        )
    require_active(organization.status)
    of_key = quota_bucket(organization.id, Quota.INGEST_REQUESTS_OF_A_KEY, values, key.key_id)
    return Caller(
        organization_id=organization.id,
        organization_slug=organization.slug,
        organization_name=organization.name,
        key_id=key.key_id,
        expires_at=key.expires_at,
        networks=key.allowed_networks,
        request_buckets=(of_key, quota_bucket(organization.id, Quota.INGEST_REQUESTS, values)),
        byte_bucket=quota_bucket(organization.id, Quota.INGEST_BYTES, values),
        point_bucket=quota_bucket(organization.id, Quota.INGEST_POINTS, values),
        raw_kept_ns=kept_s * _SECOND_NS,
    )


def require_organization(caller: Caller, named: str) -> None:
    """A request may repeat the name of its organization. Another one than the key's is as good as missing:
    better refused than stored where nobody looks."""
    if named and named not in (caller.organization_slug, caller.organization_name, str(caller.organization_id)):
        raise NotFoundError(f'organization name "{named[:200]}" not found', code="organization_not_found")

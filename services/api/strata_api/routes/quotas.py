"""How much the organization may do, and how much of it is left just now."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from strata_api.deps import Access, requires
from strata_core.quotas.queries import quotas_in_force
from strata_core.quotas.rules import COUNTED, DEFAULTS, MEANINGS, PER_KEY, Quota, quota_bucket
from strata_core.series.queries import series_held

router = APIRouter(prefix="/api/v1/orgs/{org}/quotas", tags=["organizations"])


class QuotaOut(BaseModel):
    name: Quota
    description: str
    value: int = Field(description="A second, where the name says so.")
    default: int
    burst: int = Field(description="At once, after a rest; of what is no rate, all of it.")
    available: int | None = Field(
        description="Of the burst, left now; null for quotas that each key or each series has for itself."
    )


class Quotas(BaseModel):
    items: list[QuotaOut]


@router.get("", operation_id="quotas_list", summary="Quotas, and what is left of them")
def list_quotas(access: Annotated[Access, requires("organization:read")]) -> Quotas:
    """Only an operator of the installation changes them. A change takes effect within 5 seconds."""
    with access.unit() as uow:
        values, held = quotas_in_force(uow), series_held(uow)
    left = {
        Quota.SERIES: max(0, values[Quota.SERIES] - held.total),
        Quota.NEW_SERIES: max(0, values[Quota.NEW_SERIES] - held.new_in_hour),
    }
    return Quotas(items=[_shown(access, quota, values, left) for quota in Quota])


def _shown(access: Access, quota: Quota, values: Mapping[Quota, int], left: Mapping[Quota, int]) -> QuotaOut:
    burst, available = values[quota], left.get(quota)
    if quota not in COUNTED:
        bucket = quota_bucket(access.ctx.organization_id, quota, values)
        burst = int(bucket.burst)
        available = None if quota in PER_KEY else int(access.deps.rate_limiter.look(bucket).remaining)
    return QuotaOut(
        name=quota,
        description=MEANINGS[quota],
        value=values[quota],
        default=DEFAULTS[quota],
        burst=burst,
        available=available,
    )

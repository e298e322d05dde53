"""How much the organization may do, and how much of it is left just now."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from strata_api.deps import Access, requires
from strata_core.quotas.queries import quotas_in_force
from strata_core.quotas.rules import DEFAULTS, MEANINGS, PER_KEY, Quota, quota_bucket

router = APIRouter(prefix="/api/v1/orgs/{org}/quotas", tags=["organizations"])


class QuotaOut(BaseModel):
    name: Quota
    description: str
    value: int = Field(description="A second.")
    default: int
    burst: int = Field(description="At once, after a rest.")
    available: int | None = Field(description="Of the burst, left now; null for quotas that each key has for itself.")


class Quotas(BaseModel):
    items: list[QuotaOut]


@router.get("", operation_id="quotas_list", summary="Quotas, and what is left of them")
def list_quotas(access: Annotated[Access, requires("organization:read")]) -> Quotas:
    """Only an operator of the installation changes them. A change takes effect within 5 seconds."""
    with access.unit() as uow:
        values = quotas_in_force(uow)
    limiter, organization_id = access.deps.rate_limiter, access.ctx.organization_id
    items = []
    for quota in Quota:
        bucket = quota_bucket(organization_id, quota, values)
        items.append(
            QuotaOut(
                name=quota,
                description=MEANINGS[quota],
                value=values[quota],
                default=DEFAULTS[quota],
                burst=int(bucket.burst),
                available=None if quota in PER_KEY else int(limiter.look(bucket).remaining),
            )
        )
    return Quotas(items=items)

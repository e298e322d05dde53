"""For how long the organization's metrics are kept, in which detail."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from strata_api.deps import Access, requires
from strata_core.metrics.planning import RESOLUTION
from strata_core.tier_retentions.queries import retentions_in_force
from strata_core.tier_retentions.rules import DEFAULT_S, LONGEST_S
from strata_datamodel.tiers import Tier

router = APIRouter(prefix="/api/v1/orgs/{org}/metrics/retention", tags=["metrics"])


class TierRetention(BaseModel):
    tier: Tier
    resolution: str = Field(description="How wide its windows are. Raw points are kept as sent.")
    kept_s: int = Field(description="For how many seconds.")
    default_s: int
    longest_s: int = Field(description="What an operator of the installation may set at most.")


class TierRetentions(BaseModel):
    items: list[TierRetention]


@router.get("", operation_id="metric_retention_list", summary="How long metrics are kept, tier by tier")
def list_retentions(access: Annotated[Access, requires("metrics:read")]) -> TierRetentions:
    """Only an operator of the installation changes them. A query's `segments` tell what each part was answered from."""
    with access.unit() as uow:
        kept = retentions_in_force(uow)
    return TierRetentions(
        items=[
            TierRetention(
                tier=tier,
                resolution=RESOLUTION[tier],
                kept_s=kept[tier],
                default_s=DEFAULT_S[tier],
                longest_s=LONGEST_S[tier],
            )
            for tier in Tier
        ]
    )

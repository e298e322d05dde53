"""The retentions in force."""

from collections.abc import Mapping

from sqlalchemy import func, select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.tier_retentions.rules import DEFAULT_S
from strata_datamodel.tables.tiers import tier_retentions
from strata_datamodel.tiers import Tier


def set_retentions(uow: UnitOfWork) -> Mapping[Tier, int]:
    """In seconds. Only those that an operator set."""
    statement = select(tier_retentions.c.tier, tier_retentions.c.kept_s).where(
        tier_retentions.c.organization_id == uow.organization_id, tier_retentions.c.kept_s.is_not(None)
    )
    return {Tier(row.tier): row.kept_s for row in uow.execute(statement)}


def retentions_in_force(uow: UnitOfWork) -> Mapping[Tier, int]:
    return {**DEFAULT_S, **set_retentions(uow)}


def longest_retentions(uow: UnitOfWork) -> Mapping[Tier, int]:
    """Of all organizations together: what the store has to keep. In a system unit."""
    kept = tier_retentions.c.kept_s
    statement = select(tier_retentions.c.tier, func.max(kept).label("kept_s")).where(kept.is_not(None))
    longest = {Tier(row.tier): row.kept_s for row in uow.execute(statement.group_by(tier_retentions.c.tier))}
    return {tier: max(DEFAULT_S[tier], longest.get(tier, 0)) for tier in Tier}

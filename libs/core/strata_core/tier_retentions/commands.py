"""Setting retentions. Operators only: members see theirs."""

from typing import Final

from sqlalchemy.dialects.postgresql import insert

from strata_core.audit.commands import record
from strata_core.context import ActorKind, Context
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.tier_retentions.events import SCHEMA_VERSION, TIER_RETENTION_CHANGED
from strata_core.tier_retentions.queries import set_retentions
from strata_core.tier_retentions.rules import DEFAULT_S, check_retentions
from strata_datamodel.errors import DeniedError
from strata_datamodel.tables.tiers import tier_retentions
from strata_datamodel.tiers import Tier

_TARGET: Final = "tier_retention"


def set_retention(ctx: Context, uow: UnitOfWork, tier: Tier, kept_s: int | None) -> None:
    """None goes back to the default. A shorter time hides what is older within seconds, and it is gone for good soon
    after; a longer one brings nothing back. Raises DeniedError for whoever is no operator, InvalidError."""
    if ctx.actor.kind is not ActorKind.SYSTEM:
        raise DeniedError(
            "only an operator of this installation sets retentions",
            code="operators_only",
            hint="`strata metrics retention set`",
        )
    before = set_retentions(uow)
    if before.get(tier) == kept_s:
        return
    check_retentions({**DEFAULT_S, **before, tier: DEFAULT_S[tier] if kept_s is None else kept_s})
    row = {"kept_s": kept_s, "updated_at": uow.now()}
    # Never deleted: what was let go under a shorter time stays known as gone.
    upsert = insert(tier_retentions).values(organization_id=uow.organization_id, tier=tier.value, **row)
    uow.execute(upsert.on_conflict_do_update(index_elements=["organization_id", "tier"], set_=row))
    record(
        ctx,
        uow,
        TIER_RETENTION_CHANGED,
        _TARGET,
        tier.value,
        before={"kept_s": before.get(tier)},
        after={"kept_s": kept_s},
    )
    payload = {"tier": tier.value, "kept_s": kept_s}
    append(uow, Event(TIER_RETENTION_CHANGED, SCHEMA_VERSION, _TARGET, uow.organization_id, payload))

"""Setting quotas. Operators only: members see theirs."""

from typing import Final

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from strata_core.audit.commands import record
from strata_core.context import ActorKind, Context
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.quotas.events import QUOTA_CHANGED, SCHEMA_VERSION
from strata_core.quotas.queries import set_quotas
from strata_core.quotas.rules import Quota, check_value
from strata_datamodel.errors import DeniedError
from strata_datamodel.tables.quotas import quotas

_TARGET: Final = "quota"


def set_quota(ctx: Context, uow: UnitOfWork, quota: Quota, value: int | None) -> None:
    """None goes back to the default. Takes effect within 5 seconds. Raises DeniedError for whoever is no operator."""
    if ctx.actor.kind is not ActorKind.SYSTEM:
        raise DeniedError(
            "only an operator of this installation sets quotas", code="operators_only", hint="`strata quotas set`"
        )
    before = set_quotas(uow).get(quota)
    if value == before:
        return
    if value is None:
        uow.execute(delete(quotas).where(quotas.c.organization_id == uow.organization_id, quotas.c.name == quota.value))
    else:
        row = {"organization_id": uow.organization_id, "name": quota.value, "value": check_value(value)}
        changed = {"value": row["value"], "updated_at": uow.now()}
        upsert = insert(quotas).values(**row, updated_at=uow.now())
        uow.execute(upsert.on_conflict_do_update(index_elements=["organization_id", "name"], set_=changed))
    record(ctx, uow, QUOTA_CHANGED, _TARGET, quota.value, before={"value": before}, after={"value": value})
    payload = {"name": quota.value, "value": value}
    append(uow, Event(QUOTA_CHANGED, SCHEMA_VERSION, _TARGET, uow.organization_id, payload))

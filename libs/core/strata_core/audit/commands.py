"""Adding to the audit log."""

from collections.abc import Mapping

from sqlalchemy import insert

from strata_core.audit.rules import redacted
from strata_core.context import Context
from strata_core.new_ids import new_id
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.audit import audit_log

Document = Mapping[str, object]


def record(
    ctx: Context,
    uow: UnitOfWork,
    action: str,
    target_kind: str,
    target_id: str,
    before: Document | None = None,
    after: Document | None = None,
) -> None:
    """Stands or falls with the change itself. Values under secret-looking names are not kept."""
    uow.execute(
        insert(audit_log),
        {
            "organization_id": ctx.organization_id,
            "id": new_id(uow),
            "at": uow.now(),
            "actor_kind": ctx.actor.kind.value,
            "actor_id": ctx.actor.actor_id,
            "actor_label": ctx.actor.label,
            "action": action,
            "target_kind": target_kind,
            "target_id": target_id,
            "before": None if before is None else redacted(before),
            "after": None if after is None else redacted(after),
            "request_id": ctx.request_id,
            "remote_addr": ctx.remote_addr,
        },
    )

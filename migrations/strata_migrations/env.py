"""What Alembic runs for each command. The caller hands the connection over; nothing is read from files."""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script
from sqlalchemy import bindparam, delete, insert

from strata_datamodel.tables.all import metadata, schema_ledger


def _keep_ledger(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """In the transaction of the migration itself, so that the ledger cannot disagree with the schema."""
    revision = step.up_revision
    if not isinstance(revision, Script):
        return
    if step.is_upgrade and not ctx.as_sql:
        rollbacks: Mapping[str, str] = context.config.attributes["rollbacks"]
        ctx.impl.execute(
            insert(schema_ledger).values(
                version=revision.revision,
                description=revision.doc,
                applied_by=context.config.attributes["applied_by"],
                rollback_sql=rollbacks[revision.revision],
            )
        )
    elif not step.is_upgrade and revision.down_revision is not None:  # the first one takes the ledger with it
        ctx.impl.execute(
            delete(schema_ledger).where(
                schema_ledger.c.version == bindparam(None, revision.revision, literal_execute=True)
            )
        )


def _run() -> None:
    if context.is_offline_mode():
        context.configure(
            dialect_name="postgresql", literal_binds=True, transactional_ddl=False, on_version_apply=_keep_ledger
        )
        context.run_migrations()
        return
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        transaction_per_migration=True,
        on_version_apply=_keep_ledger,
    )
    with context.begin_transaction():
        context.run_migrations()


_run()

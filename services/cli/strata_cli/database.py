"""`strata db`: the relational schema."""

from strata_cli.administration import relational_urls
from strata_cli.rendering import out, print_json, print_table
from strata_core.instants import shown_instant
from strata_datamodel.errors import ConflictError
from strata_stores.postgres.migrating import SchemaStatus, downgrade, status, upgrade
from strata_stores.settings import Settings


def run_upgrade(settings: Settings, target: str, *, as_json: bool) -> None:
    with relational_urls(settings, "strata db upgrade", is_migrated=False) as urls:
        _show(upgrade(urls.relational.owner.get_secret_value(), target), as_json=as_json)


def run_status(settings: Settings, *, as_json: bool) -> None:
    with relational_urls(settings, "strata db status", is_migrated=False) as urls:
        _show(status(urls.relational.owner.get_secret_value()), as_json=as_json)


def run_downgrade(settings: Settings, target: str, *, is_sure: bool, as_json: bool) -> None:
    with relational_urls(settings, "strata db downgrade", is_migrated=False) as urls:
        owner = urls.relational.owner.get_secret_value()
        if not is_sure:
            undone = [entry for entry in status(owner).ledger if target == "base" or entry.version > target]
            for entry in undone:
                out.print(f"-- {entry.version} {entry.description}\n{entry.rollback_sql}", markup=False, soft_wrap=True)
            raise ConflictError(
                f"{len(undone)} migration(s) would be undone, with the data in their tables",
                code="not_confirmed",
                hint="this was a preview; add --yes to do it",
            )
        _show(downgrade(owner, target), as_json=as_json)


def _show(schema: SchemaStatus, *, as_json: bool) -> None:
    if as_json:
        ledger = [
            {"version": entry.version, "description": entry.description, "applied_at": shown_instant(entry.applied_at)}
            for entry in schema.ledger
        ]
        print_json({"current": schema.current, "head": schema.head, "pending": list(schema.pending), "ledger": ledger})
        return
    rows = [(entry.version, entry.description, f"{entry.applied_at:%Y-%m-%d %H:%M:%S}") for entry in schema.ledger]
    print_table(("version", "description", "applied at (UTC)"), rows)
    out.print("up to date" if not schema.pending else f"pending: {', '.join(schema.pending)}", markup=False)

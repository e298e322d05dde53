"""What can be said of metrics."""

from typing import Annotated

import typer

from strata_cli.commands.options import DataDir, Json, Org
from strata_stores.settings import load_settings

app = typer.Typer(name="metrics", help="How long metrics are kept, and their roll-ups.", no_args_is_help=True)
retention = typer.Typer(name="retention", help="How long an organization's metrics are kept.", no_args_is_help=True)
app.add_typer(retention)

Tier = Annotated[str, typer.Option(help="raw, 1m, 5m or 1h.")]
Kept = Annotated[str | None, typer.Option(help="As 36h or 14d.", show_default="back to the default")]


@retention.command("show")
def retention_show(org: Org, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """How long each tier is kept, and the most it may be."""
    from strata_cli import retention as keeping

    keeping.run_show(load_settings(data_dir=data_dir), org, as_json=json)


@retention.command("set")
def retention_set(org: Org, tier: Tier, kept: Kept = None, data_dir: DataDir = None) -> None:
    """Keep a tier for longer, or less long. What was let go of does not come back."""
    from strata_cli import retention as keeping

    keeping.run_set(load_settings(data_dir=data_dir), org, tier_name=tier, kept=kept)


@app.command()
def repair(
    org: Annotated[str | None, typer.Option("--org", help="One organization's only.", show_default="all")] = None,
    begin: Annotated[str, typer.Option("--from", help="RFC 3339, or relative.")] = "now-24h",
    end: Annotated[str, typer.Option("--to", help="As --from.")] = "now",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,  # noqa: FBT002
    wait: Annotated[bool, typer.Option(help="Until a worker has done it.")] = True,  # noqa: FBT002
    timeout: Annotated[float, typer.Option(min=1, help="Wait this many seconds at most.")] = 600,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Roll up hours again, in every tier. Workers find gaps by themselves: this is for when a store was restored."""
    from strata_cli.metric_repair import Range, run_repair

    settings = load_settings(data_dir=data_dir)
    code = run_repair(settings, org, Range(begin, end), is_dry=dry_run, waits=wait, timeout_s=timeout, as_json=json)
    raise typer.Exit(code)

"""What can be said of search."""

from typing import Annotated

import typer

from strata_cli.commands.options import DataDir, Json
from strata_stores.settings import load_settings

app = typer.Typer(name="search", help="The index that alerts are searched in.", no_args_is_help=True)


@app.command()
def reindex(
    org: Annotated[str | None, typer.Option("--org", help="Slug or id.", show_default="all organizations")] = None,
    wait: Annotated[bool, typer.Option(help="Follow each to its end.")] = True,  # noqa: FBT002
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds to follow.", show_default="to the end")] = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Make the index anew from PostgreSQL, beside the one that is searched, and switch to it. Nobody notices.

    The workers do it: one has to run. Exits with 3 when one of those that are followed is not done.
    """
    from strata_cli.reindexing import run_reindex

    settings = load_settings(data_dir=data_dir)
    raise typer.Exit(run_reindex(settings, org, waits=wait, timeout_s=timeout, as_json=json))

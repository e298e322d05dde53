"""What can be said of cells, under `strata orgs`."""

from typing import Annotated

import typer

from strata_cli.commands.options import DataDir, Json
from strata_stores.settings import load_settings

Org = Annotated[str, typer.Argument(metavar="ORG", help="Slug or id of the organization.")]


def cells(data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """The cells that metrics are kept in, and how many organizations each has."""
    from strata_cli import cells as running

    running.run_cells(load_settings(data_dir=data_dir), as_json=json)


def cell(org: Org, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Which cell an organization's metrics are in."""
    from strata_cli import cells as running

    running.run_cell(load_settings(data_dir=data_dir), org, as_json=json)


def move(
    org: Org,
    to: Annotated[str, typer.Option(metavar="CELL", help="A name from `strata orgs cells`.")],
    wait: Annotated[bool, typer.Option(help="Show how far it is until it has ended.")] = True,  # noqa: FBT002
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Move an organization's metrics into another cell while it sends and asks. A worker does it. Exits with 3 unless
    it was done."""
    from strata_cli import cells as running

    code = running.run_move(load_settings(data_dir=data_dir), org, to, waits=wait, as_json=json)
    raise typer.Exit(code)

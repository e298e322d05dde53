"""What can be said of receipts."""

from pathlib import Path
from typing import Annotated

import typer

from strata_cli.commands.options import DataDir, Json
from strata_stores.settings import load_settings

app = typer.Typer(name="receipts", help="Proof of what was deleted or erased.", no_args_is_help=True)


@app.command("list")
def list_(data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """All receipts of this installation, oldest first."""
    from strata_cli import receipts

    receipts.run_list(load_settings(data_dir=data_dir), as_json=json)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A receipt as it was handed out, in JSON; `-` reads stdin.")],
    trust: Annotated[
        list[str] | None,
        typer.Option(help="Public key of another installation, or a former one; may be repeated.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Was this receipt signed here, and is it what was signed? Exits with 3 when it was not."""
    from strata_cli import receipts

    raise typer.Exit(receipts.run_verify(load_settings(data_dir=data_dir), file, trust or [], as_json=json))

"""What can be asked of the doctor."""

import typer

from strata_cli.commands.options import DataDir, Json
from strata_stores.settings import load_settings

app = typer.Typer(name="doctor", invoke_without_command=True)


@app.callback()
def doctor(ctx: typer.Context, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Look at every store: reachable, version, rights, clock, disk. Says what to do where one is not well."""
    if ctx.invoked_subcommand is not None:
        return
    from strata_cli.doctor import run_doctor

    raise typer.Exit(run_doctor(load_settings(data_dir=data_dir), as_json=json))


@app.command()
def consistency(data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Compare what stores hold with what they should, of all organizations. Exits with 3 when anything differs.

    Works beside a running Strata, whose workers repair what is found, and without one.
    """
    from strata_cli.consistency import run_consistency

    raise typer.Exit(run_consistency(load_settings(data_dir=data_dir), as_json=json))

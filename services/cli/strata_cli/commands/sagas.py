"""What can be said of sagas."""

from typing import Annotated
from uuid import UUID

import typer

from strata_cli.commands.options import As, DataDir, Json, Org
from strata_stores.settings import load_settings

app = typer.Typer(name="sagas", help="What crosses the stores: how far it is, and what to do when it sticks.")

Saga = Annotated[UUID, typer.Argument(metavar="SAGA", help="Its id, as `sagas list` shows it.")]
State = Annotated[
    str | None,
    typer.Option(help="pending, running, compensating, done, compensated, cancelled or parked.", show_default="all"),
]
Kind = Annotated[str | None, typer.Option(help="Of this kind only.", show_default="all")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]


@app.command("list")
def list_(
    org: Org,
    state: State = None,
    kind: Kind = None,
    limit: Limit = 100,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Sagas, newest first. Those that need attention are marked."""
    from strata_cli import sagas

    settings = load_settings(data_dir=data_dir)
    sagas.run_list(settings, org, acting_as, state=state, kind=kind, limit=limit, as_json=json)


@app.command()
def show(saga: Saga, org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """A saga with its steps, their attempts, times and reasons."""
    from strata_cli import sagas

    sagas.run_show(load_settings(data_dir=data_dir), org, acting_as, saga, as_json=json)


@app.command()
def watch(
    saga: Saga,
    org: Org,
    every: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds between looks.")] = 0.5,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds to watch.", show_default="to the end")] = None,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Follow a saga until it has ended or is parked. Exits with 3 unless it is done."""
    from strata_cli import sagas

    settings = load_settings(data_dir=data_dir)
    code = sagas.run_watch(settings, org, acting_as, saga, every_s=every, timeout_s=timeout, as_json=json)
    raise typer.Exit(code)


@app.command()
def retry(saga: Saga, org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Let a parked or failing saga go on now, with nothing held against it."""
    from strata_cli import sagas

    sagas.run_retry(load_settings(data_dir=data_dir), org, acting_as, saga, as_json=json)


@app.command()
def compensate(saga: Saga, org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Undo what a parked or failing saga did. Before its pivot only."""
    from strata_cli import sagas

    sagas.run_compensate(load_settings(data_dir=data_dir), org, acting_as, saga, as_json=json)


@app.command()
def cancel(saga: Saga, org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Stop a saga after the step under way, and undo what it did. Before its pivot only."""
    from strata_cli import sagas

    sagas.run_cancel(load_settings(data_dir=data_dir), org, acting_as, saga, as_json=json)

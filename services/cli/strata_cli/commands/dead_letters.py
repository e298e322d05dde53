"""What can be said of dead letters."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from strata_cli.commands.options import As, DataDir, Json, Org
from strata_stores.settings import load_settings

app = typer.Typer(name="dead-letters", help="Telemetry that a store refused for good.", no_args_is_help=True)

Letter = Annotated[UUID, typer.Argument(metavar="LETTER", help="Its id, as `dead-letters list` shows it.")]
State = Annotated[str | None, typer.Option(help="open, replaying, replayed or dropped.", show_default="all")]
Signal = Annotated[str | None, typer.Option(help="metrics or logs.", show_default="both")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]
Out = Annotated[Path | None, typer.Option("--content", help="Write what was refused to this file.", show_default=False)]


@app.command("list")
def list_(
    org: Org,
    state: State = "open",
    signal: Signal = None,
    limit: Limit = 100,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Letters, newest first, each with the store's reason."""
    from strata_cli import dead_letters

    settings = load_settings(data_dir=data_dir)
    dead_letters.run_list(settings, org, acting_as, state=state, signal=signal, limit=limit, as_json=json)


@app.command()
def show(
    letter: Letter,
    org: Org,
    content: Out = None,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """A letter; its content goes to a file, since somebody else wrote it."""
    from strata_cli import dead_letters

    dead_letters.run_show(load_settings(data_dir=data_dir), org, acting_as, letter, content, as_json=json)


@app.command()
def replay(letter: Letter, org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Send it through ingest again. What is refused once more becomes a new letter."""
    from strata_cli import dead_letters

    dead_letters.run_replay(load_settings(data_dir=data_dir), org, acting_as, letter, as_json=json)


@app.command()
def discard(letter: Letter, org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Give it up: it stays listed, and is not replayed any more."""
    from strata_cli import dead_letters

    dead_letters.run_discard(load_settings(data_dir=data_dir), org, acting_as, letter, as_json=json)

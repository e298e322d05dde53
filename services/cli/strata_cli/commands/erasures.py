"""What can be said of erasures."""

from typing import Annotated
from uuid import UUID

import typer

from strata_cli.commands.options import As, DataDir, Json, Org
from strata_stores.settings import load_settings

app = typer.Typer(name="erasures", help="Forget a host, a label or a person in every store.", no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Kept, so without what is to be forgotten.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it. Nothing brings back what is erased.")]


@app.command()
def host(
    name: Annotated[str, typer.Argument(help="Its name, as senders say it.")],
    org: Org,
    reason: Reason = "",
    yes: Yes = False,  # noqa: FBT002
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Erase all that came from a host. Stop its agent first."""
    from strata_cli import erasures

    settings = load_settings(data_dir=data_dir)
    erasures.run_erase(settings, org, acting_as, erasures.of_host(name), reason=reason, is_sure=yes, as_json=json)


@app.command()
def label(
    key: Annotated[str, typer.Argument(help="Of a tag, as `env`.")],
    value: Annotated[str, typer.Argument(help="The whole value, as `prod`.")],
    org: Org,
    reason: Reason = "",
    yes: Yes = False,  # noqa: FBT002
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Erase all that carries a label's value."""
    from strata_cli import erasures

    settings = load_settings(data_dir=data_dir)
    selector = erasures.of_label(key, value)
    erasures.run_erase(settings, org, acting_as, selector, reason=reason, is_sure=yes, as_json=json)


@app.command()
def person(
    identifier: Annotated[
        list[str], typer.Argument(help="E-mail addresses, names: what holds one of them in logs and series is deleted.")
    ],
    org: Org,
    reason: Reason = "",
    yes: Yes = False,  # noqa: FBT002
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Erase what tells of a person."""
    from strata_cli import erasures

    settings = load_settings(data_dir=data_dir)
    selector = erasures.of_person(identifier)
    erasures.run_erase(settings, org, acting_as, selector, reason=reason, is_sure=yes, as_json=json)


@app.command()
def show(
    erasure: Annotated[UUID, typer.Argument(metavar="ERASURE", help="Its id.")],
    org: Org,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """An erasure, with its receipt once it is done."""
    from strata_cli import erasures

    erasures.run_show(load_settings(data_dir=data_dir), org, acting_as, erasure, as_json=json)

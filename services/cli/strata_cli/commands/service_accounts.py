"""What can be said of service accounts."""

from typing import Annotated

import typer

from strata_cli.commands.options import As, DataDir, Description, Json, NewDescription, NewName, Org
from strata_stores.settings import load_settings

app = typer.Typer(name="service-accounts", help="What programs act as.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Name or id.")]


@app.command("list")
def list_(org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Service accounts, oldest first."""
    from strata_cli.access import service_accounts

    service_accounts.run_list(load_settings(data_dir=data_dir), org, acting_as, as_json=json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    org: Org,
    description: Description = "",
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Make one. It may do nothing until `strata roles assign` gives it a role."""
    from strata_cli.access import service_accounts

    service_accounts.run_create(load_settings(data_dir=data_dir), org, acting_as, name, description, as_json=json)


@app.command()
def update(
    account: Account,
    org: Org,
    name: NewName = None,
    description: NewDescription = None,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Change its name or description."""
    from strata_cli.access import service_accounts

    settings = load_settings(data_dir=data_dir)
    service_accounts.run_update(settings, org, acting_as, account, name, description, as_json=json)


@app.command()
def delete(
    account: Account,
    org: Org,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Delete one, with its keys."""
    from strata_cli.access import service_accounts

    service_accounts.run_delete(load_settings(data_dir=data_dir), org, acting_as, account, as_json=json)


@app.command()
def key(
    account: Account,
    org: Org,
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option(help="admin, ingest, read or a permission; may be repeated.")],
    days: Annotated[int | None, typer.Option(min=1, help="Expires after so many days.", show_default="never")] = None,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Make a key of the account's: bounded by its scopes and by the account's roles. It is shown once."""
    from strata_cli.access import service_accounts

    settings = load_settings(data_dir=data_dir)
    service_accounts.run_key(settings, org, acting_as, account, name=name, scopes=scope, days=days, as_json=json)

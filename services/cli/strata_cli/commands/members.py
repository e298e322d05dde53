"""What can be said of members."""

from typing import Annotated

import typer

from strata_cli.commands.options import As, DataDir, Json, Org
from strata_stores.settings import load_settings

app = typer.Typer(name="members", help="Who belongs to an organization.", no_args_is_help=True)

Person = Annotated[str, typer.Argument(metavar="EMAIL", help="E-mail address.")]
ROLE_HELP = "owner, admin, devops, developer, read_only; custom for only what is assigned."


@app.command("list")
def list_(
    org: Org,
    role: Annotated[str | None, typer.Option(help="Only of this role.")] = None,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Members, in the order in which they joined."""
    from strata_cli.access import members

    members.run_list(load_settings(data_dir=data_dir), org, acting_as, role, as_json=json)


@app.command()
def invite(
    email: Person,
    org: Org,
    role: Annotated[str, typer.Option(help=ROLE_HELP)],
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Ask somebody in: a link goes to them by mail, which a running Strata sends."""
    from strata_cli.access import members

    members.run_invite(load_settings(data_dir=data_dir), org, acting_as, email, role, as_json=json)


@app.command()
def remove(email: Person, org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Remove a member. Their account stays; the last owner cannot be removed."""
    from strata_cli.access import members

    members.run_remove(load_settings(data_dir=data_dir), org, acting_as, email, as_json=json)


@app.command()
def role(
    email: Person,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=ROLE_HELP)],
    org: Org,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Change the role that a membership names."""
    from strata_cli.access import members

    members.run_role(load_settings(data_dir=data_dir), org, acting_as, email, role, as_json=json)

"""What can be said of roles."""

from typing import Annotated

import typer

from strata_cli.commands.options import As, DataDir, Description, Json, NewDescription, NewName, Org
from strata_stores.settings import load_settings

app = typer.Typer(name="roles", help="What people and programs may do, and why.", no_args_is_help=True)

Role = Annotated[str, typer.Argument(metavar="ROLE", help="Name or id.")]
Subject = Annotated[
    str,
    typer.Argument(
        metavar="WHO", help="E-mail address of a member, team:NAME, service_account:NAME; api_key:ID to ask about."
    ),
]
GRANT_HELP = "As hosts:write, or 'hosts:write where env=prod, team=web'; may be repeated."
Parent = Annotated[str | None, typer.Option(help="Role that it inherits from.", show_default="none")]


@app.command("list")
def list_(org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Built-in roles, then the organization's own, oldest first."""
    from strata_cli.access import roles

    roles.run_list(load_settings(data_dir=data_dir), org, acting_as, as_json=json)


@app.command()
def show(role: Role, org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """A role with what it holds, itself and by inheritance, and who was given it."""
    from strata_cli.access import roles

    roles.run_show(load_settings(data_dir=data_dir), org, acting_as, role, as_json=json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    org: Org,
    grant: Annotated[list[str] | None, typer.Option(help=GRANT_HELP)] = None,
    parent: Parent = None,
    description: Description = "",
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Make a role. Nobody puts into it what they do not hold."""
    from strata_cli.access import roles

    wanted = roles.Wanted(name, description, parent, tuple(grant or ()))
    roles.run_create(load_settings(data_dir=data_dir), org, acting_as, wanted, as_json=json)


@app.command()
def update(
    role: Role,
    org: Org,
    name: NewName = None,
    grant: Annotated[list[str] | None, typer.Option(help=f"Instead of all it says now. {GRANT_HELP}")] = None,
    parent: Annotated[
        str | None, typer.Option(help="Role to inherit from, '' for none.", show_default="as it is")
    ] = None,
    description: NewDescription = None,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Change a role. It takes effect at once, for all who hold it."""
    from strata_cli.access import roles

    wanted = roles.Wanted(name, description, parent, None if grant is None else tuple(grant))
    roles.run_update(load_settings(data_dir=data_dir), org, acting_as, role, wanted, as_json=json)


@app.command()
def delete(role: Role, org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Delete a role that nobody holds or inherits from."""
    from strata_cli.access import roles

    roles.run_delete(load_settings(data_dir=data_dir), org, acting_as, role, as_json=json)


@app.command()
def assign(
    role: Role,
    who: Subject,
    org: Org,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Give a role to a member, a team or a service account. It holds at once."""
    from strata_cli.access import roles

    roles.run_assign(load_settings(data_dir=data_dir), org, acting_as, role, who, as_json=json)


@app.command()
def unassign(
    role: Role,
    who: Subject,
    org: Org,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Take a role away. What a membership itself names is changed with `strata members role`."""
    from strata_cli.access import roles

    roles.run_unassign(load_settings(data_dir=data_dir), org, acting_as, role, who, as_json=json)


@app.command()
def explain(
    who: Subject,
    permission: Annotated[str, typer.Argument(help="As alert_rules:write.")],
    org: Org,
    label: Annotated[list[str] | None, typer.Option(help="Of the entity in question, as env=prod; repeated.")] = None,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Why somebody may do a thing, or why not."""
    from strata_cli.access import explaining

    settings = load_settings(data_dir=data_dir)
    explaining.run_explain(settings, org, acting_as, who, permission, label or [], as_json=json)

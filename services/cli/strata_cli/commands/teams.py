"""What can be said of teams."""

from typing import Annotated

import typer

from strata_cli.commands.options import As, DataDir, Description, Json, NewDescription, NewName, Org
from strata_stores.settings import load_settings

app = typer.Typer(name="teams", help="Members who hold roles together.", no_args_is_help=True)

Team = Annotated[str, typer.Argument(metavar="TEAM", help="Name or id.")]
Person = Annotated[str, typer.Argument(metavar="EMAIL", help="E-mail address of a member.")]


@app.command("list")
def list_(org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Teams, oldest first."""
    from strata_cli.access import teams

    teams.run_list(load_settings(data_dir=data_dir), org, acting_as, as_json=json)


@app.command()
def show(team: Team, org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """A team and who is in it."""
    from strata_cli.access import teams

    teams.run_show(load_settings(data_dir=data_dir), org, acting_as, team, as_json=json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    org: Org,
    description: Description = "",
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Make a team."""
    from strata_cli.access import teams

    teams.run_create(load_settings(data_dir=data_dir), org, acting_as, name, description, as_json=json)


@app.command()
def update(
    team: Team,
    org: Org,
    name: NewName = None,
    description: NewDescription = None,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Change a team's name or description."""
    from strata_cli.access import teams

    teams.run_update(load_settings(data_dir=data_dir), org, acting_as, team, name, description, as_json=json)


@app.command()
def delete(team: Team, org: Org, acting_as: As = None, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Delete a team. Its members keep only what they hold otherwise."""
    from strata_cli.access import teams

    teams.run_delete(load_settings(data_dir=data_dir), org, acting_as, team, as_json=json)


@app.command()
def add(
    team: Team,
    email: Person,
    org: Org,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Put a member into a team: they hold all that it holds."""
    from strata_cli.access import teams

    teams.run_add(load_settings(data_dir=data_dir), org, acting_as, team, email, as_json=json)


@app.command()
def remove(
    team: Team,
    email: Person,
    org: Org,
    acting_as: As = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Take a member out of a team."""
    from strata_cli.access import teams

    teams.run_remove(load_settings(data_dir=data_dir), org, acting_as, team, email, as_json=json)

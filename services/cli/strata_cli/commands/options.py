"""Options that many commands take."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path | None, typer.Option(help="Where embedded stores keep their data.", show_default="per user")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, for programs.")]
Org = Annotated[str, typer.Option("--org", help="Slug or id of the organization.")]
As = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="EMAIL",
        help="Act with what this member may do, and no more. The audit log names them and you.",
        show_default="operator",
    ),
]
Description = Annotated[str, typer.Option(help="What it is for.")]
NewName = Annotated[str | None, typer.Option("--name", help="Another name.", show_default="as it is")]
NewDescription = Annotated[str | None, typer.Option("--description", help="What it is for.", show_default="as it is")]

"""What can be said of the end of an organization, under `strata orgs`."""

from typing import Annotated

import typer

from strata_cli.commands.options import DataDir, Json
from strata_datamodel.limits import DELETION_GRACE_HOURS_MAX
from strata_stores.settings import load_settings


def delete(
    org: Annotated[str, typer.Argument(metavar="ORG", help="Slug or id of the organization.")],
    confirm: Annotated[
        str | None, typer.Option(help="Its slug, typed again.", show_default="only show what would go")
    ] = None,
    grace_hours: Annotated[
        int, typer.Option(min=0, max=DELETION_GRACE_HOURS_MAX, help="Until then `strata sagas cancel` stops it.")
    ] = 0,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Delete an organization from every store, for good. A worker does it, and signs a receipt."""
    from strata_cli import organizations

    settings = load_settings(data_dir=data_dir)
    organizations.run_delete(settings, org, confirm=confirm, grace_hours=grace_hours, as_json=json)


def receipt(
    org: Annotated[str, typer.Argument(metavar="ORG", help="The slug it had, or its id.")], data_dir: DataDir = None
) -> None:
    """Print the signed receipt of an organization that was deleted."""
    from strata_cli import receipts

    receipts.run_deletion_receipt(load_settings(data_dir=data_dir), org)

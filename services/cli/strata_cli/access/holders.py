"""Teams and service accounts as a terminal shows them: both are a name that roles are given to."""

from collections.abc import Sequence

from strata_cli.rendering import print_json, print_outcome, print_table
from strata_core.service_accounts.queries import ServiceAccount
from strata_core.teams.queries import Team

AnyHolder = Team | ServiceAccount


def print_holders(word: str, found: Sequence[AnyHolder], *, as_json: bool) -> None:
    if as_json:
        print_json([document(each) for each in found])
    else:
        print_table(("id", word, "description"), [(each.id, each.name, each.description) for each in found])


def tell(holder: AnyHolder, what: str, *, as_json: bool) -> None:
    print_outcome(document(holder), f"{holder.name} {what}", as_json=as_json)


def reworded(before: AnyHolder, name: str | None, description: str | None) -> tuple[str, str]:
    """None leaves as it is."""
    return before.name if name is None else name, before.description if description is None else description


def document(holder: AnyHolder) -> dict[str, object]:
    return {"id": str(holder.id), "name": holder.name, "description": holder.description, "version": holder.version}

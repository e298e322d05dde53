"""`strata roles explain`: why somebody may, and why not."""

from strata_cli.access.acting import acting
from strata_cli.access.naming import labels_of, subject_named
from strata_cli.rendering import out, print_json
from strata_core.roles.effective import Holding
from strata_core.roles.explaining import Explanation, explain_access
from strata_stores.settings import Settings


def run_explain(
    settings: Settings, org: str, acting_as: str | None, of: str, permission: str, labels: list[str], *, as_json: bool
) -> None:
    given = labels_of(labels) if labels else None
    with acting(settings, org, acting_as, "roles") as who:
        found = explain_access(who.ctx, who.uow, subject_named(who, of), permission, given)
    if as_json:
        print_json(_document(found))
        return
    out.print(f"{of} {'may' if found.is_allowed else 'may not'}: {found.reason}", markup=False)
    for way in found.through:
        out.print(f"  through {_way(way)}", markup=False)
    for missing in found.missing:
        out.print(f"  missing: {missing}", markup=False)


def _way(way: Holding) -> str:
    line = " → ".join(node.name for node in way.line)
    team = f" {way.held.team_name}" if way.held.team_name else ""
    return f"{line} ({way.held.via}{team}), which grants {way.grant}"


def _document(found: Explanation) -> dict[str, object]:
    return {
        "subject": str(found.subject),
        "permission": found.permission,
        "labels": found.labels,
        "is_allowed": found.is_allowed,
        "reason": found.reason,
        "through": [
            {
                "role": str(way.held.role),
                "via": way.held.via,
                "team": way.held.team_name,
                "inherited": [node.name for node in way.line],
                "grant": str(way.grant),
            }
            for way in found.through
        ],
        "missing": list(found.missing),
    }

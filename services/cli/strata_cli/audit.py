"""`strata audit`: is the audit log what it was?"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, union

from strata_cli.administration import administration
from strata_cli.progress import progress_bar
from strata_cli.rendering import EXIT_BROKEN, out, print_json, print_outcome
from strata_core.audit.anchoring import anchors_of
from strata_core.audit.verifying import Finding, Verification, verify
from strata_core.organizations.queries import organization_of
from strata_core.ports.anchor_signer import AnchorSigner
from strata_core.ports.archive import Archive
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.errors import UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.audit import audit_heads
from strata_datamodel.tables.organizations import organizations
from strata_stores.anchoring import open_anchor_signer, open_configured_archive
from strata_stores.breaker import Breaker
from strata_stores.relational import open_keyring
from strata_stores.settings import Settings


def run_verify(settings: Settings, org: str | None, trusted: Sequence[str], *, as_json: bool) -> int:
    """The exit code: 0 when every chain is intact."""
    with administration(settings, "strata audit verify") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        signer = open_anchor_signer(settings, relational.keyring, trusted)
        archive = open_configured_archive(settings, Breaker("archive", relational.clock))
        with relational.system_units.system() as uow:
            if org is not None:
                wanted = [OrganizationId(organization_of(uow, org).id)]
            else:  # heads without an organization too: those of organizations that are gone
                both = union(select(organizations.c.id), select(audit_heads.c.organization_id))
                wanted = [OrganizationId(found) for found in uow.execute(both).scalars()]
        results = [_verified(relational.system_units, archive, signer, each) for each in sorted(wanted)]
    if as_json:
        print_json({"intact": all(each.is_intact for each in results), "chains": [_document(each) for each in results]})
    else:
        for each in results:
            _explain(each)
    return 0 if all(each.is_intact for each in results) else EXIT_BROKEN


def run_public_key(settings: Settings, *, as_json: bool) -> None:
    key = open_anchor_signer(settings, open_keyring(settings)).public_key
    print_outcome({"public_key": key}, key, as_json=as_json)


def _verified(
    units: SystemUnitsOfWork, archive: Archive, signer: AnchorSigner, organization_id: OrganizationId
) -> Verification:
    with progress_bar(f"verifying {organization_id}") as tell:
        anchors = anchors_of(archive, organization_id)
        return verify(lambda: units.organization(organization_id), organization_id, anchors, signer, tell)


def _document(result: Verification) -> dict[str, object]:
    return {
        "organization_id": str(result.organization_id),
        "intact": result.is_intact,
        "rows": result.rows,
        "waiting": result.waiting,
        "anchors": result.anchors,
        "anchored_up_to": result.newest_anchor_seq,
        "findings": [_finding(found) for found in result.findings],
    }


def _finding(found: Finding) -> dict[str, object]:
    audit_id: UUID | None = found.audit_id
    return {"kind": found.kind, "detail": found.detail, "seq": found.seq, "audit_id": audit_id and str(audit_id)}


def _explain(result: Verification) -> None:
    verdict = "[green]intact[/]" if result.is_intact else "[bold red]NOT INTACT[/]"
    counts = f"{result.rows} rows, {result.waiting} waiting for their seal, {result.anchors} anchors agree"
    out.print(
        f"{result.organization_id}  {verdict}  {counts}, the last at row {result.newest_anchor_seq}", soft_wrap=True
    )
    for found in result.findings:
        out.print(f"  {found.kind}: {found.detail}", markup=False, soft_wrap=True)

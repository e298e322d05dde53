"""A sealed and anchored chain in a real PostgreSQL, for tests that tamper with it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from factories.contexts import context
from fixtures.relational import Database
from strata_core.audit.anchoring import anchors_of
from strata_core.audit.commands import record
from strata_core.audit.sealing import seal
from strata_core.audit.verifying import Verification, verify
from strata_core.ports.archive import Archive
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.ids import OrganizationId
from strata_stores.archive.object_archive import open_archive
from strata_stores.breaker import Breaker
from strata_stores.clock import ShiftedClock
from strata_stores.secrets.signing import Ed25519AnchorSigner
from strata_workers.sealer import Anchorer, Sealer

SIGNER = Ed25519AnchorSigner([b"s" * 32])


@dataclass
class Chain:
    """Of one organization, as the application writes it and a worker seals it."""

    organization_id: OrganizationId
    units: UnitsOfWork
    system_units: SystemUnitsOfWork
    database: Database
    clock: ShiftedClock
    archive: Archive
    signer: Ed25519AnchorSigner = field(default_factory=lambda: SIGNER)

    def write(self, *actions: str) -> None:
        """Each in a transaction of its own."""
        for action in actions:
            with self.units.organization(self.organization_id) as uow:
                record(context(self.organization_id), uow, action, "host", "h1", after={"size": 1.5, "name": "ø"})

    def seal(self) -> int:
        return Sealer(self.system_units).step()

    def anchor(self) -> int:
        return Anchorer(self.system_units, self.archive, self.signer).step()

    def seal_alone(self) -> int:
        with self.system_units.organization(self.organization_id) as uow:
            return seal(uow)

    def verify(self, on_progress: Callable[[int, int], None] | None = None) -> Verification:
        return verify(
            lambda: self.system_units.organization(self.organization_id),
            self.organization_id,
            anchors_of(self.archive, self.organization_id),
            self.signer,
            on_progress,
        )

    def kinds(self) -> list[tuple[str, int | None]]:
        return [(finding.kind, finding.seq) for finding in self.verify().findings]

    def as_owner(self, *statements: str) -> None:
        """With every wall taken down first: what somebody can do who holds the owner's role, or the superuser's."""
        self.database.run("SET session_replication_role = replica; " + "; ".join(statements))

    def ids(self) -> list[object]:
        """Of the sealed rows, in the order of the chain."""
        query = "SELECT audit_id FROM audit_seals WHERE organization_id = %s ORDER BY seq"
        return [row["audit_id"] for row in self.database.rows(query, self.organization_id)]


def open_chain(
    organization_id: OrganizationId,
    units: UnitsOfWork,
    system_units: SystemUnitsOfWork,
    database: Database,
    clock: ShiftedClock,
    folder: Path,
) -> Chain:
    folder.mkdir(parents=True, exist_ok=True)
    return Chain(
        organization_id,
        units,
        system_units,
        database,
        clock,
        open_archive(folder.as_uri(), breaker=Breaker("archive", clock)),
    )

"""Seals audit rows within seconds of their commit, and anchors the heads of chains outside the database."""

import base64

import structlog

from strata_core.audit.anchoring import Anchor, due_heads, encoded, note_anchored, signed
from strata_core.audit.sealing import NOBODY, next_unsealed_organization, seal
from strata_core.ports.anchor_signer import AnchorSigner
from strata_core.ports.archive import Archive
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork

log = structlog.get_logger(__name__)
ORGANIZATIONS_PER_PASS = 100
ANCHORS_PER_PASS = 100


class Sealer:
    """Goes round the organizations, a batch each: one that writes much does not make the others wait."""

    def __init__(self, units: SystemUnitsOfWork) -> None:
        self._units = units
        self._last = NOBODY

    def step(self) -> int:
        """How many rows were sealed."""
        sealed = 0
        for _ in range(ORGANIZATIONS_PER_PASS):
            with self._units.system() as uow:
                found = next_unsealed_organization(uow, self._last)
            if found is None:
                self._last = NOBODY
                return sealed
            self._last = found
            with self._units.organization(found) as uow:
                sealed += seal(uow)
        return sealed


class Anchorer:
    """Each anchor goes to the archive and to the process's own log: whoever rewrites a chain has to reach both."""

    def __init__(self, units: SystemUnitsOfWork, archive: Archive, signer: AnchorSigner) -> None:
        self._units = units
        self._archive = archive
        self._signer = signer

    def step(self) -> int:
        with self._units.system() as uow:
            heads = due_heads(uow, limit=ANCHORS_PER_PASS)
        for head in heads:
            self._anchor(signed(head, self._signer))
        return len(heads)

    def _anchor(self, anchor: Anchor) -> None:
        self._archive.put(anchor.organization_id, anchor.key, encoded(anchor))
        with self._units.organization(anchor.organization_id) as uow:
            note_anchored(uow, anchor)
        log.info(
            "audit_anchored",
            organization_id=str(anchor.organization_id),
            seq=anchor.seq,
            hash=anchor.hash.hex(),
            at=anchor.at.isoformat(),
            public_key=anchor.public_key,
            signature=base64.b64encode(anchor.signature).decode("ascii"),
        )

"""Finds out where the search index and PostgreSQL differ, one organization after another, and has it repaired."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

import structlog

from strata_core.ports.search_index import SearchIndex
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.search.checksums import unix_us
from strata_core.search.comparing import compare
from strata_core.search.drift import DriftRow, drift_by_kind, nothing_known
from strata_core.search.generations import generations_in_use
from strata_core.search.projections import PROJECTIONS, STORE
from strata_core.search.reconciling import (
    ClaimedPass,
    PassLostError,
    adopt_organizations,
    claim_pass,
    is_unchanged,
    keep_pass,
    put_off_pass,
    settle_pass,
    settle_unchanged,
)
from strata_datamodel.errors import DeadlineError, StoreRefusedError, StoreUnavailableError
from strata_datamodel.search import Place

log = structlog.get_logger(__name__)
PASSES_PER_STEP: Final = 20
PURGED_AT_ONCE: Final = 1_000
TOMBSTONES_KEPT: Final = timedelta(days=8)
"""Longer than any event: what an event would bring back the reconciler would have to find."""


class Reconciler:
    """Each pass is claimed, so that any number of workers share them. What it finds is in the database: figures and
    `strata doctor consistency` read it there."""

    def __init__(
        self, units: SystemUnitsOfWork, index: SearchIndex, worker: str, beat: Callable[[], None] = lambda: None
    ) -> None:
        """`beat` is called all along a pass: one that lasts long is no loop that hangs."""
        self._units = units
        self._beat = beat
        self._index = index
        self._worker = worker
        self._drift: Mapping[tuple[str, str], DriftRow] = {
            (STORE, kind): nothing_known(STORE, kind) for kind in PROJECTIONS
        }

    @property
    def drift(self) -> Mapping[tuple[str, str], DriftRow]:
        """Of all organizations, by store and kind, as it was when last looked at."""
        return self._drift

    def step(self) -> int:
        passes = 0
        for _ in range(PASSES_PER_STEP):
            with self._units.system() as uow:
                claimed = claim_pass(uow, self._worker)
            if claimed is None:
                break
            self._pass(claimed)
            passes += 1
        return passes

    def adopt(self) -> int:
        """Organizations that came since; and what all of them have in difference is counted."""
        with self._units.system() as uow:
            adopt_organizations(uow)
            self._drift = drift_by_kind(uow)
        return 0

    def sweep(self) -> int:
        """Generations that no organization is left in, and deletions that nothing older than can arrive any more.
        Generations are listed before it is asked which are in use: one is registered before it is made."""
        swept = 0
        for kind in PROJECTIONS:
            existing = self._index.generations(kind)
            with self._units.system() as uow:
                in_use = generations_in_use(uow, kind)
                before_ms = unix_us(uow.now() - TOMBSTONES_KEPT) // 1_000
            for place in (Place(kind, generation) for generation in existing):
                if place.generation in in_use:
                    swept += self._index.purge_deleted(place, before_ms, limit=PURGED_AT_ONCE)
                else:
                    self._index.drop(place)
        return swept

    def _pass(self, claimed: ClaimedPass) -> None:
        def keep(uow: UnitOfWork) -> None:
            self._beat()
            keep_pass(uow, claimed)

        organization_id, units = claimed.organization_id, self._units
        try:
            if is_unchanged(units.organization, self._index, claimed):
                with units.organization(organization_id) as uow:
                    settle_unchanged(uow, claimed)
                return
            comparison = compare(units.organization, self._index, organization_id, claimed.kind, keep=keep)
            if comparison.is_missing and comparison.wanted:
                self._index.create(comparison.place)
        except PassLostError:
            log.warning("reconciler_pass_lost", organization_id=str(organization_id), kind=claimed.kind)
            return
        except (StoreUnavailableError, StoreRefusedError, DeadlineError) as error:
            # One organization that a store does not answer for keeps its figures, and no other waiting.
            if isinstance(error, StoreUnavailableError) and error.store == "postgres":
                raise
            with self._units.organization(claimed.organization_id) as uow:
                put_off_pass(uow, claimed, error.detail)
            return
        with self._units.organization(claimed.organization_id) as uow:
            settled = settle_pass(uow, claimed, comparison)
        if comparison.drift and settled.is_mine:
            counts = {drift.value: count for drift, count in comparison.counts.items() if count}
            log.warning(
                "search_drift",
                organization_id=str(claimed.organization_id),
                kind=claimed.kind,
                repairs=settled.repairs,
                **counts,
            )

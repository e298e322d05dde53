"""Looks again at what was deleted: a process that slept through a deletion may have written since."""

from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter

from strata_core.organizations import belongings, holdings
from strata_core.organizations.tombstones import Tombstone, note_look, tombstones_to_look_at
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.sagas.tools import SagaTools
from strata_datamodel.errors import StrataError

log = structlog.get_logger(__name__)
SWEPT_FOR: Final = timedelta(days=30)


class Sweeper:
    """Goes over the organizations that were deleted lately, rarely once nothing was found a few times. The spools of
    ingest drop theirs by themselves; this is for what was in flight past every time-out."""

    def __init__(self, units: SystemUnitsOfWork, tools: SagaTools, registry: CollectorRegistry) -> None:
        self._units = units
        self._tools = tools
        self._swept = Counter(
            "strata_deletions_swept", "Deleted organizations of which something had come back.", registry=registry
        )

    def step(self) -> int:
        with self._units.system() as uow:
            stones = tombstones_to_look_at(uow, uow.now() - SWEPT_FOR)
        failed: StrataError | None = None
        for stone in stones:
            try:
                self._sweep(stone)
            except StrataError as error:  # the others do not wait for it
                log.warning("sweep_failed", organization_id=str(stone.organization_id), reason=error.detail)
                failed = error
        if failed is not None:
            raise failed
        return 0

    def _sweep(self, stone: Tombstone) -> None:
        organization_id = stone.organization_id
        left = holdings.count_holdings(self._tools, holdings.intent_of(organization_id))
        left["cache"] = (
            holdings.sweep(self._tools, organization_id)
            if any(left.values())
            else self._tools.cache.forget(organization_id)
        )
        with self._units.organization(organization_id) as uow:
            rows = belongings.count_rows(uow)
            if rows:
                belongings.delete_rows(uow, stone.saga_id)
            is_clean = not rows and not any(left.values())
            note_look(uow, is_clean=is_clean)
        if not is_clean:
            self._swept.inc()
            log.warning("deleted_organization_swept", organization_id=str(organization_id), **left, rows=rows)

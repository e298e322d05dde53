"""Compares tiers with those above them, and has what differs made again."""

from collections.abc import Iterator
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter

from strata_core.organizations.queries import organizations_after
from strata_core.ports.clock import Clock
from strata_core.ports.metric_tiers import MetricTiers
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.rollups.commands import mark_dirty
from strata_core.rollups.queries import TierState, tier_state
from strata_core.rollups.rules import compared_spans, hours_within
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tiers import ROLLED_UP

log = structlog.get_logger(__name__)
ROUND_EVERY_S: Final = 6 * 3_600.0


class GapFinder:
    """An organization at a time. There is nothing to find unless a store lost windows, or a worker was frozen in the
    midst of a call for longer than its lease, and killed before it could say so."""

    def __init__(self, units: SystemUnitsOfWork, tiers: MetricTiers, clock: Clock, registry: CollectorRegistry) -> None:
        self._units = units
        self._tiers = tiers
        self._clock = clock
        self._last: str | None = None
        self._next_round_s: float | None = None
        self._found = Counter(
            "strata_rollup_gaps", "Windows that did not say what the tier above says.", ["tier"], registry=registry
        )

    def step(self) -> int:
        """Rounds are hours apart: what they find is rare, and they read all that they compare."""
        if self._next_round_s is not None and self._clock.monotonic_s() < self._next_round_s:
            return 0
        with self._units.system() as uow:
            following = organizations_after(uow, self._last, 1)
        self._last = following[0].slug if following else None
        if following:
            self._compare(OrganizationId(following[0].id))
        else:
            self._next_round_s = self._clock.monotonic_s() + ROUND_EVERY_S
        return 0

    def _compare(self, organization_id: OrganizationId) -> None:
        with self._units.organization(organization_id) as uow:
            state = tier_state(uow, self._clock.now_ns())
        if len(state.through_ns) < len(ROLLED_UP):
            return
        known = set(state.dirty_hours)
        hours = {hour for hour in self._gaps(organization_id, state) if hour not in known}
        if hours:
            log.warning("rollup_gaps", organization_id=str(organization_id), hours=len(hours))
            with self._units.organization(organization_id) as uow:
                mark_dirty(uow, hours)

    def _gaps(self, organization_id: OrganizationId, state: TierState) -> Iterator[int]:
        for span in compared_spans(state.through_ns, state.kept_from_ns):
            for gap in self._tiers.gaps(organization_id, span.tier, span.from_ns, span.to_ns):
                self._found.labels(span.tier.value).inc(gap.windows)
                yield from hours_within(gap.from_ns, gap.to_ns)

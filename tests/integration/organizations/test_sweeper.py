"""What was written of an organization after its deletion is found and removed, whoever else cannot be looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from scenario.saga_kills import drive_to_end
from strata_core.organizations.deletion import DELETION
from strata_core.organizations.deletion_requests import request_deletion
from strata_core.organizations.tombstones import CLEAN_LOOKS, LOOK_EVERY
from strata_core.ports.cache import Entry
from strata_core.ports.metric_tiers import TieredMetrics
from strata_datamodel.errors import StoreRefusedError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tiers import Tier
from strata_workers.sweeper import Sweeper


@dataclass
class Asked:
    """A metric store that notes who was asked for."""

    store: TieredMetrics
    counted: list[OrganizationId] = field(default_factory=list)

    def count_points(self, organization_id: OrganizationId) -> int:
        self.counted.append(organization_id)
        return self.store.count_points(organization_id)

    def count_windows(self, organization_id: OrganizationId, tier: Tier) -> int:
        return self.store.count_windows(organization_id, tier)

    def delete_organization(self, organization_id: OrganizationId) -> None:
        self.store.delete_organization(organization_id)


@dataclass(frozen=True)
class RefusingOne:
    """A metric store that answers for all but one organization."""

    store: TieredMetrics
    refused: OrganizationId

    def count_points(self, organization_id: OrganizationId) -> int:
        if organization_id == self.refused:
            raise StoreRefusedError("metrics", "too many series")
        return self.store.count_points(organization_id)

    def count_windows(self, organization_id: OrganizationId, tier: Tier) -> int:
        return self.store.count_windows(organization_id, tier)

    def delete_organization(self, organization_id: OrganizationId) -> None:
        self.store.delete_organization(organization_id)


def delete(held, slug):
    ctx = held.context(slug)
    with held.app_units.organization(ctx.organization_id) as uow:
        saga_id = request_deletion(ctx, uow, confirm=slug, grace=timedelta(0))
    assert drive_to_end(held.world, DELETION, held.tools, saga_id) == "done"
    return ctx.organization_id


def come_back(held, organization_id):
    held.tools.archive.put(organization_id, "audit-anchors/2.json", b"{}")
    held.database.run(
        "INSERT INTO dead_letters (organization_id, signal, store, reason, item_count, content, content_format)"
        " VALUES (%s, 'metrics', 'metrics', 'late', 1, '', 'x')",
        organization_id,
    )


def left(held, *organizations: OrganizationId) -> list[Mapping[str, int]]:
    return [held.holdings(each) for each in organizations]


def test_what_came_back_is_removed_and_nothing_of_the_living(held):
    gone, theirs = delete(held, "acme"), held.holdings(held.organization("globex"))
    come_back(held, gone)
    assert left(held, gone) == [{"archive": 1, "dead_letters": 1}]
    Sweeper(held.units, held.tools, CollectorRegistry()).step()
    assert left(held, gone, held.organization("globex")) == [{}, theirs]


def test_one_that_cannot_be_looked_at_keeps_no_other_waiting(held):
    held.fill(held.provision("initech"))
    first, second = delete(held, "acme"), delete(held, "initech")
    for organization_id in (first, second):
        come_back(held, organization_id)
    tools = replace(held.tools, metric_store=RefusingOne(held.tools.metric_store, first))
    with pytest.raises(StoreRefusedError):
        Sweeper(held.units, tools, CollectorRegistry()).step()
    assert left(held, first, second) == [{"archive": 1, "dead_letters": 1}, {}]


def cached(held, organization_id):
    """Whether the cache took an answer that was made before the deletion."""
    now_ms = held.world.clock.now_ns() // 1_000_000
    generation = held.tools.cache.get(organization_id, "panels", "late").generation
    entry = Entry(b"late", 1, now_ms, 60_000, 1)
    return held.tools.cache.put(organization_id, "panels", "late", entry, generation=generation, kept_ms=600_000)


def found(held, organization_id):
    return held.tools.cache.get(organization_id, "panels", "late").entry is not None


def test_what_is_cached_late_is_removed_too(held):
    gone = delete(held, "acme")
    assert cached(held, gone)
    assert cached(held, held.organization("globex"))
    Sweeper(held.units, held.tools, CollectorRegistry()).step()
    assert not found(held, gone)
    assert found(held, held.organization("globex"))


def test_one_that_stays_clean_is_looked_at_once_a_day(held):
    gone = delete(held, "acme")
    asked = Asked(held.tools.metric_store)
    sweeper = Sweeper(held.units, replace(held.tools, metric_store=asked), CollectorRegistry())
    for _ in range(CLEAN_LOOKS + 5):
        sweeper.step()
    assert asked.counted == [gone] * CLEAN_LOOKS
    come_back(held, gone)
    held.world.clock.advance(LOOK_EVERY + timedelta(seconds=1))
    sweeper.step()
    assert left(held, gone) == [{}]
    for _ in range(CLEAN_LOOKS + 5):
        sweeper.step()
    assert len(asked.counted) == CLEAN_LOOKS + 1 + CLEAN_LOOKS, "one that was not clean is looked at often again"

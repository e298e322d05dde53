"""What was written of an organization after its deletion is found and removed, whoever else cannot be looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from scenario.saga_kills import drive_to_end
from strata_core.organizations.deletion import DELETION
from strata_core.organizations.deletion_requests import request_deletion
from strata_core.ports.metric_store import MetricStore
from strata_datamodel.errors import StoreRefusedError
from strata_datamodel.ids import OrganizationId
from strata_workers.sweeper import Sweeper


@dataclass(frozen=True)
class RefusingOne:
    """A metric store that answers for all but one organization."""

    store: MetricStore
    refused: OrganizationId

    def count_points(self, organization_id: OrganizationId) -> int:
        if organization_id == self.refused:
            raise StoreRefusedError("metrics", "too many series")
        return self.store.count_points(organization_id)

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

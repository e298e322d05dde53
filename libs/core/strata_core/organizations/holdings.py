"""What the stores hold of an organization: counted, and deleted. Each is an effect of a saga's step, and may happen any
number of times."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from strata_core.ports.archive import Archive
from strata_core.sagas.definitions import Json, NotYetError
from strata_core.sagas.tools import SagaTools
from strata_core.search.projections import PROJECTIONS
from strata_datamodel.ids import OrganizationId
from strata_datamodel.search import Place
from strata_datamodel.tiers import ROLLED_UP

_AGAIN: Final = timedelta(seconds=2)


def intent_of(organization_id: OrganizationId) -> dict[str, Json]:
    return {"organization_id": str(organization_id)}


def organization_in(intent: Mapping[str, Json]) -> OrganizationId:
    return OrganizationId(UUID(intent["organization_id"]))


def count_holdings(tools: SagaTools, intent: Json) -> Json:
    """By store. A cache cannot be asked without emptying it: its keys are counted as they go."""
    organization_id = organization_in(intent)
    tools.log_store.refresh()
    return {
        "logs": tools.log_store.count(organization_id),
        "metrics": _metrics(tools, organization_id),
        "search": sum(_found(tools, place, organization_id) for place in _places(tools)),
        "archive": len(tools.archive.listing(organization_id)),
    }


def delete_logs(tools: SagaTools, intent: Json) -> Json:
    tools.log_store.refresh()
    tools.log_store.delete_organization(organization_in(intent))
    return None


def delete_metrics(tools: SagaTools, intent: Json) -> Json:
    tools.metric_store.delete_organization(organization_in(intent))
    return None


def delete_search(tools: SagaTools, intent: Json) -> Json:
    _remove(tools, organization_in(intent))
    return None


def empty_cache(tools: SagaTools, intent: Json) -> Json:
    return {"cache": tools.cache.forget(organization_in(intent))}


def empty_archive(tools: SagaTools, intent: Json) -> Json:
    _empty(tools.archive, organization_in(intent))
    return None


def count_residue(tools: SagaTools, intent: Json) -> Json:
    """Zero of everything, or it is not over yet: what was on its way when the tombstone was put up is deleted too."""
    organization_id = organization_in(intent)
    left = count_holdings(tools, intent) | {"cache": tools.cache.forget(organization_id)}
    if not any(left.values()):
        return left
    sweep(tools, organization_id)
    held = ", ".join(f"{count} in {store}" for store, count in left.items() if count)
    raise NotYetError(f"deleted what came late: {held}", _AGAIN)


def sweep(tools: SagaTools, organization_id: OrganizationId) -> int:
    """How many keys the cache had, which cannot tell before. It comes last: the stores do not wait for it."""
    tools.log_store.delete_organization(organization_id)
    tools.metric_store.delete_organization(organization_id)
    _remove(tools, organization_id)
    _empty(tools.archive, organization_id)
    return tools.cache.forget(organization_id)


def _metrics(tools: SagaTools, organization_id: OrganizationId) -> int:
    """Points, and the windows that outlast them."""
    windows = sum(tools.metric_store.count_windows(organization_id, tier) for tier in ROLLED_UP)
    return tools.metric_store.count_points(organization_id) + windows


def _places(tools: SagaTools) -> list[Place]:
    """Every build of every index: an organization may be in an old one too."""
    return [Place(kind, generation) for kind in PROJECTIONS for generation in tools.search_index.generations(kind)]


def _found(tools: SagaTools, place: Place, organization_id: OrganizationId) -> int:
    tools.search_index.refresh(place)
    return sum(bucket.count for bucket in tools.search_index.buckets(place, organization_id).values())


def _remove(tools: SagaTools, organization_id: OrganizationId) -> None:
    for place in _places(tools):
        tools.search_index.remove(place, organization_id)


def _empty(archive: Archive, organization_id: OrganizationId) -> None:
    for found in archive.listing(organization_id):
        archive.delete(organization_id, found.key)

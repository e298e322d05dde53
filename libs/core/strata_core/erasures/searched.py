"""What the index of alerts holds of the subject of an erasure: counted, and brought up to date with the rows."""

from collections.abc import Iterator
from typing import Final

from strata_core.erasures.rules import ErasureKind, Selector, labels_of
from strata_core.sagas.tools import SagaTools
from strata_core.search.projections import PROJECTIONS
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import SEARCH_LIMIT
from strata_datamodel.logs import AttributeHolds, FieldIs, LogFilter, Or, Text
from strata_datamodel.search import IndexPage, IndexPosition, IndexSearch, Place

_EARLIEST_NS: Final = -(1 << 63)
_LATEST_NS: Final = (1 << 63) - 1


def count_found(tools: SagaTools, organization_id: OrganizationId, selector: Selector) -> int:
    """In every build of the index."""
    found = 0
    for place in _places(tools):
        tools.search_index.refresh(place)
        found += _page(tools, place, organization_id, selector, None).total.value
    return found


def project(tools: SagaTools, organization_id: OrganizationId, selector: Selector) -> None:
    """What is found is written again, as its rows are now. An index keeps the greatest version: any number of times."""
    for place in _places(tools):
        tools.search_index.refresh(place)
        for page in _pages(tools, place, organization_id, selector):
            known = {hit.entity_id: hit.version for hit in page.found}
            tools.search_index.write(place, tools.search_source.entities(organization_id, place.kind, known))


def _places(tools: SagaTools) -> list[Place]:
    return [Place(kind, generation) for kind in PROJECTIONS for generation in tools.search_index.generations(kind)]


def _pages(tools: SagaTools, place: Place, organization_id: OrganizationId, selector: Selector) -> Iterator[IndexPage]:
    after: IndexPosition | None = None
    while (page := _page(tools, place, organization_id, selector, after)).found:
        yield page
        after = IndexPosition(page.found[-1].at_ns, page.found[-1].entity_id)


def _page(
    tools: SagaTools,
    place: Place,
    organization_id: OrganizationId,
    selector: Selector,
    after: IndexPosition | None,
) -> IndexPage:
    where = _alerts_of(selector)
    return tools.search_index.search(
        IndexSearch(place, organization_id, where, _EARLIEST_NS, _LATEST_NS, SEARCH_LIMIT, after=after)
    )


def _alerts_of(selector: Selector) -> LogFilter:
    if selector.kind is ErasureKind.PERSON:
        texts = tuple(Text(each, phrase=True) for each in selector.identifiers)
        return Or(texts + tuple(AttributeHolds(each) for each in selector.identifiers))
    return Or(tuple(FieldIs(f"labels.{key}", value) for key, value in labels_of(selector)))

"""What the parts of the log store contract are about: a store, and two organizations that share it."""

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from factories.log_events import log_batch, log_search
from strata_core.ports.log_store import LogStore
from strata_datamodel.ids import OrganizationId
from strata_datamodel.logs import LogEvent, LogSearch


class LogSubjects:
    @pytest.fixture
    def log_store(self, new_store: Callable[..., LogStore]) -> LogStore:
        return new_store()

    @pytest.fixture
    def acme(self) -> OrganizationId:
        return OrganizationId(uuid4())

    @pytest.fixture
    def umbrella(self) -> OrganizationId:
        return OrganizationId(uuid4())


def stored(log_store: LogStore, organization_id: OrganizationId, *events: LogEvent) -> None:
    outcome = log_store.write(log_batch(organization_id, *events))
    assert (outcome.written, outcome.rejected) == (len(events), ())
    log_store.refresh()


def found(log_store: LogStore, organization_id: OrganizationId, where=None, **fields) -> list[LogEvent]:
    """The events of the first page, and that there is none after it."""
    page = log_store.search(log_search(organization_id, where, **fields))
    assert page.next_cursor is None
    return list(page.items)


def all_pages(log_store: LogStore, search: LogSearch) -> list[LogEvent]:
    items: list[LogEvent] = []
    while True:
        page = log_store.search(search)
        assert len(page.items) <= search.limit
        items += page.items
        if page.next_cursor is None:
            return items
        assert page.items, "an empty page that is not the last one"
        search = replace(search, after=page.next_cursor)

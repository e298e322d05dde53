"""The use case around a log store: permission, limits, and cursors that fit one search of one organization."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from factories.log_events import BASE, SECOND, log_batch, log_event
from fakes.manual_clock import ManualClock
from strata_core.context import Actor, ActorKind, Context
from strata_core.logs.queries import LOGS_READ, LogSearchRequest, search_logs
from strata_datamodel.errors import DeniedError, InvalidError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import LOG_SEARCH_LIMIT
from strata_datamodel.logs import SortOrder
from strata_stores.tantivy.log_store import TantivyLogStore

KEY = b"k" * 32
REQUEST = LogSearchRequest(query="line", from_ns=BASE - SECOND, to_ns=BASE + SECOND, limit=3)
EVENTS = [log_event(f"line {n}", BASE + n) for n in range(10)]


def context(organization_id, *permissions):
    return Context(organization_id, Actor(ActorKind.USER, None, "ann"), frozenset(permissions), "request-1")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def acme():
    return context(OrganizationId(uuid4()), LOGS_READ)


@pytest.fixture
def umbrella():
    return context(OrganizationId(uuid4()), LOGS_READ)


@pytest.fixture
def log_store(tmp_path, clock, acme, umbrella):
    store = TantivyLogStore(tmp_path, clock)
    store.prepare()
    for ctx in (acme, umbrella):
        store.write(log_batch(ctx.organization_id, *EVENTS))
    yield store
    store.close()


def test_pages_follow_each_other_by_cursor(log_store, clock, acme):
    items, request = [], REQUEST
    while True:
        page = search_logs(acme, log_store, request, clock, KEY)
        items += page.items
        if page.next_cursor is None:
            break
        request = replace(request, cursor=page.next_cursor, limit=request.limit + 1)
    assert items == EVENTS[::-1]


def test_reading_needs_its_permission(log_store, clock, acme):
    with pytest.raises(DeniedError):
        search_logs(replace(acme, permissions=frozenset({"metrics:read"})), log_store, REQUEST, clock, KEY)


def test_a_cursor_works_for_its_organization_and_search_only(log_store, clock, acme, umbrella):
    cursor = search_logs(acme, log_store, REQUEST, clock, KEY).next_cursor
    again = replace(REQUEST, cursor=cursor)
    assert [event.message for event in search_logs(acme, log_store, again, clock, KEY).items] == [
        "line 6",
        "line 5",
        "line 4",
    ]
    flipped = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    for ctx, request, key in (
        (umbrella, again, KEY),
        (acme, replace(again, query="line OR x"), KEY),
        (acme, replace(again, from_ns=BASE - 2 * SECOND), KEY),
        (acme, replace(again, to_ns=None), KEY),
        (acme, replace(again, order=SortOrder.ASC), KEY),
        (acme, again, b"l" * 32),
        *((acme, replace(again, cursor=bad), KEY) for bad in ("", "x", "é", flipped, cursor[:-2], cursor * 100, "=")),
    ):
        with pytest.raises(InvalidError) as caught:
            search_logs(ctx, log_store, request, clock, key)
        assert caught.value.code == "bad_cursor"


def test_a_range_that_ends_now_does_not_move_between_pages(log_store, clock, acme):
    clock.advance((timedelta(days=1, seconds=-5).total_seconds()) - (clock.now_ns() - BASE) / SECOND)
    request = LogSearchRequest(query="line", limit=9)
    first = search_logs(acme, log_store, request, clock, KEY)
    assert len(first.items) == 9
    clock.advance(3_600)
    assert search_logs(acme, log_store, request, clock, KEY).items == ()
    second = search_logs(acme, log_store, replace(request, cursor=first.next_cursor), clock, KEY)
    assert [event.message for event in second.items] == ["line 0"]
    assert second.total == first.total


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"limit": 0}, "bad_limit"),
        ({"limit": LOG_SEARCH_LIMIT + 1}, "bad_limit"),
        ({"from_ns": BASE, "to_ns": BASE}, "bad_time_range"),
        ({"from_ns": BASE, "to_ns": BASE - 1}, "bad_time_range"),
        ({"to_ns": 1 << 63}, "bad_time_range"),
        ({"query": "a AND"}, "bad_query"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_code(log_store, clock, acme, change, code):
    with pytest.raises(InvalidError) as caught:
        search_logs(acme, log_store, replace(REQUEST, **change), clock, KEY)
    assert caught.value.code == code
    assert caught.value.problems

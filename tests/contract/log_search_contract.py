"""What every log store promises of searching. Mixed into a test class that has the fixture `new_store`."""

from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.log_reference import expected_events
from contract.log_subjects import LogSubjects, all_pages, found, stored
from factories.log_events import BASE, DAY, event_id_of, log_event, log_search
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import LOG_ATTRIBUTES, LOG_KEYWORD_BYTES, LOG_PAGE_BYTES, LOG_TOTAL_COUNTED
from strata_datamodel.logs import And, FieldIs, LogLevel, LogTotal, MatchAll, Not, Or, SortOrder, Text

_WORDS = ["error", "Error", "time", "out", "time_out", "10.0.0.7", "10", "007", "Straße", "STRASSE", "ﬁne", "naïve"]
_WORDS += ["nai\u0308ve", "İx", "漢字", "x" * 99, "y" * 101, "Y" * 101, "y" * 300, "a-b", "½", "(", '"', "*", "AND"]
_VALUES = ["", "a", "ab", "a b", "a*", "*", "a=b", '"', "\\", "é", "A", "true", "1", "2.5", "x\x00y", "tags.k=a"]
_NAMES = ["level", "host_id", "service_id", "stream", "tags.k", "tags.k.l", "tags.k=a", "metadata.m", "metadata.m.n"]

words = st.sampled_from(_WORDS)
values = st.sampled_from(_VALUES)
messages = st.lists(words, max_size=6).map(" ".join)
trees = st.recursive(
    values | st.booleans() | st.none() | st.sampled_from([1, 2.5, -7, 2**60]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["m", "n", "n.o"]), inner, max_size=2),
    max_leaves=5,
)
events_drawn = st.builds(
    dict,
    message=messages,
    timestamp_ns=st.sampled_from([BASE, BASE, BASE + 1, BASE + 2, BASE - DAY, BASE + DAY]),
    level=st.sampled_from(LogLevel),
    host_id=values,
    service_id=values,
    tags=st.dictionaries(st.sampled_from(["k", "k.l", "k=a", ""]), values, max_size=2),
    metadata=st.dictionaries(st.sampled_from(["m", "m.n"]), trees, max_size=2),
)
leaves = (
    st.just(MatchAll())
    | st.builds(Text, st.lists(words, max_size=3).map(" ".join), phrase=st.booleans())
    | st.builds(FieldIs, st.sampled_from(_NAMES), values, prefix=st.booleans())
    | st.builds(FieldIs, st.just("level"), st.sampled_from(["info", "err", "e"]), prefix=st.booleans())
)
filters = st.recursive(
    leaves,
    lambda inner: (
        st.builds(And, st.lists(inner, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, max_size=3).map(tuple))
        | st.builds(Not, inner)
    ),
    max_leaves=6,
)


class LogSearchContract(LogSubjects):
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(events_drawn, max_size=8), st.lists(filters, min_size=1, max_size=8), st.sampled_from(SortOrder))
    def test_a_search_finds_what_the_reference_finds(self, log_store, drawn, wheres, order):
        ours, theirs = OrganizationId(uuid4()), OrganizationId(uuid4())
        events = [log_event(**fields) for fields in drawn]
        stored(log_store, ours, *events)
        stored(log_store, theirs, *(replace(event, message=f"{event.message} more") for event in events))
        for where in wheres:
            search = log_search(ours, where, from_ns=BASE - DAY, to_ns=BASE + 2, order=order)
            page = log_store.search(search)
            expected = expected_events(search, events)
            assert list(page.items) == expected, where
            assert page.total == LogTotal(len(expected), "eq")

    @pytest.mark.parametrize(
        ("message", "query", "is_found"),
        [
            ("Connection RESET by peer", "reset connection", True),
            ("connection reset", "connect", False),
            ("user_name=x.y", "name x y", True),
            ("user_name=x.y", "user_name", True),
            ("v1.22.333", "22", True),
            ("id " + "f" * 5_000 + " end", "f" * 5_000, True),
            ("id " + "f" * 5_000 + " end", "f" * 4_999, False),
            ("id " + "f" * 5_000 + " end", "F" * 5_000 + " END", True),
            ("Ошибка ФАЙЛ", "ошибка файл", True),
            ("x", "AND OR NOT", False),
            ("a AND b", "and", True),
            ("price ²", "price 2", True),
        ],
    )
    def test_text_is_whole_words_in_any_case(self, log_store, acme, message, query, is_found):
        stored(log_store, acme, log_event(message))
        assert len(found(log_store, acme, Text(query))) == is_found

    def test_a_phrase_is_words_one_after_the_other(self, log_store, acme):
        near = log_event("the Disk-is full", BASE + 1)
        far = log_event("is the disk full", BASE)
        stored(log_store, acme, near, far)
        assert found(log_store, acme, Text("disk is full", phrase=True)) == [near]
        assert found(log_store, acme, Text("disk", phrase=True)) == [near, far]
        assert found(log_store, acme, Text("is disk full", phrase=False)) == [near, far]

    def test_events_are_ordered_to_the_nanosecond_and_then_by_id(self, log_store, acme):
        times = [BASE, BASE + 1, BASE + 1, BASE + 1, BASE + 999, BASE + 1_000, BASE - DAY, -5, 0, (1 << 63) - 1]
        ids = [9, 3, 1 << 127, 2, 1 << 64, (1 << 64) - 1, 1, 4, 5, 6]
        events = [
            log_event(timestamp_ns=time, event_id=event_id_of(number), day="2026-09-21")
            for time, number in zip(times, ids, strict=True)
        ]
        stored(log_store, acme, *events)
        ascending = sorted(events, key=lambda event: (event.timestamp_ns, event.event_id))
        everywhere = {"from_ns": -(1 << 63), "to_ns": (1 << 63) - 1}
        assert found(log_store, acme, order=SortOrder.ASC, **everywhere) == ascending[:-1]
        assert found(log_store, acme, **everywhere) == ascending[-2::-1]
        assert found(log_store, acme, from_ns=BASE + 1, to_ns=BASE + 1_000) == ascending[-3:-7:-1]

    @pytest.mark.parametrize("order", SortOrder)
    @pytest.mark.parametrize("limit", [1, 7, 50])
    def test_paging_loses_and_doubles_nothing_among_equal_times(self, log_store, acme, umbrella, order, limit):
        # Equal times within a day and ids that share a half, in no order; groups both greater and smaller than a page.
        ids = [event_id_of((n % 3) << 100 | (n * 7919) % 120) for n in range(120)]
        events = [log_event(f"line {n}", BASE + (n // 40) * DAY + n % 2, event_id=ids[n]) for n in range(120)]
        stored(log_store, acme, *events[::2])
        stored(log_store, acme, *events[1::2])
        stored(log_store, umbrella, *events)
        search = log_search(acme, Text("line"), order=order, limit=limit)
        assert all_pages(log_store, search) == expected_events(search, events)

    @pytest.mark.parametrize("order", SortOrder)
    def test_paging_is_in_order_where_the_times_of_days_overlap(self, log_store, acme, order):
        days = ["2026-09-19", "2026-09-20", "2026-09-21"]
        events = [log_event(f"line {n}", BASE + n // 2, day=days[n * 7 % 3]) for n in range(40)]
        stored(log_store, acme, *events)
        search = log_search(acme, order=order, limit=4)
        assert all_pages(log_store, search) == expected_events(search, events)

    def test_events_that_arrive_between_pages_move_nothing(self, log_store, acme):
        events = [log_event(f"line {n}", BASE + n) for n in range(10)]
        stored(log_store, acme, *events)
        first = log_store.search(log_search(acme, limit=5))
        stored(log_store, acme, *(log_event("newer", BASE + 100 + n) for n in range(10)))
        second = log_store.search(log_search(acme, limit=5, after=first.next_cursor))
        assert [*first.items, *second.items] == events[::-1]

    def test_totals_are_exact_up_to_the_limit_and_the_same_on_every_page(self, log_store, acme, umbrella):
        days = [BASE - n * DAY for n in range(3)]
        events = [log_event("many", days[n % 3], metadata={"n": n}) for n in range(LOG_TOTAL_COUNTED + 5)]
        few = [log_event("few words", days[n % 3] + n) for n in range(12)]
        stored(log_store, umbrella, *few)
        stored(log_store, acme, *events, *few)
        page = log_store.search(log_search(acme, Text("few"), limit=5))
        assert page.total == LogTotal(12, "eq")
        assert log_store.search(log_search(acme, Text("few"), limit=5, after=page.next_cursor)).total == page.total
        assert log_store.search(log_search(acme, limit=5)).total == LogTotal(LOG_TOTAL_COUNTED, "gte")

    def test_a_page_of_great_events_ends_early(self, log_store, acme):
        count = LOG_PAGE_BYTES // 250_000 + 12
        events = [log_event("word " * 50_000 + str(n), BASE + n) for n in range(count)]
        stored(log_store, acme, *events)
        page = log_store.search(log_search(acme))
        assert 0 < len(page.items) < count
        assert all_pages(log_store, log_search(acme)) == events[::-1]

    def test_fields_are_exact_and_prefixes_are_not_patterns(self, log_store, acme):
        names = ["web-1", "web-10", "web-*", "WEB-1", "we", "web.1", "web-1\n2"]
        events = {name: log_event(timestamp_ns=BASE + n, host_id=name) for n, name in enumerate(names)}
        stored(log_store, acme, *events.values())

        def hosts(value, *, prefix=False):
            return {event.host_id for event in found(log_store, acme, FieldIs("host_id", value, prefix=prefix))}

        assert hosts("web-1") == {"web-1"}
        assert hosts("web-*") == {"web-*"}
        assert hosts("web-1", prefix=True) == {"web-1", "web-10", "web-1\n2"}
        assert hosts("web-*", prefix=True) == {"web-*"}
        assert hosts("web.", prefix=True) == {"web.1"}
        assert hosts(".*", prefix=True) == hosts("web", prefix=False) == set()
        assert hosts("", prefix=True) == set(names)

    def test_a_value_past_the_keyword_limit_is_kept_but_not_found(self, log_store, acme):
        longest = "k" * (LOG_KEYWORD_BYTES - len("tags.v="))
        fits, long = log_event(tags={"v": longest}), log_event(tags={"v": "k" * 32_768, "w": "x"})
        stored(log_store, acme, fits, long)
        assert found(log_store, acme, FieldIs("tags.v", longest)) == [fits]
        assert found(log_store, acme, FieldIs("tags.v", "k" * 32_768)) == []
        assert found(log_store, acme, FieldIs("tags.v", "k", prefix=True)) == [fits]
        assert found(log_store, acme, FieldIs("tags.w", "x")) == [long]

    def test_wide_and_deep_metadata_is_kept_and_found_within_limits(self, log_store, acme):
        deep: dict[str, object] = {"end": "here"}
        for _ in range(30):
            deep = {"d": deep}
        wide = log_event("wide", BASE, metadata={f"key{n}": n for n in range(LOG_ATTRIBUTES + 1_000)})
        nested = log_event("nested", BASE + 1, metadata=deep)
        stored(log_store, acme, wide, nested)
        assert found(log_store, acme) == [nested, wide]
        assert found(log_store, acme, FieldIs("metadata.key999", "999")) == [wide]
        assert found(log_store, acme, FieldIs(f"metadata.key{LOG_ATTRIBUTES + 999}", "", prefix=True)) == []
        assert found(log_store, acme, FieldIs("metadata." + "d." * 30 + "end", "here")) == [nested]

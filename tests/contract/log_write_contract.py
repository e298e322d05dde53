"""What every log store promises of writing and removing. Mixed into a test class that has the fixture `new_store`."""

from dataclasses import replace

from contract.log_subjects import LogSubjects, found, stored
from factories.log_events import BASE, DAY, day_of, event_id_of, log_batch, log_event
from strata_datamodel.limits import LOG_DOCUMENT_BYTES
from strata_datamodel.logs import FieldIs, LogLevel, LogWriteOutcome, Text


class LogWriteContract(LogSubjects):
    def test_prepare_may_be_called_again(self, log_store, acme):
        stored(log_store, acme, log_event())
        log_store.prepare()
        assert log_store.count(acme) == 1

    def test_an_empty_store_finds_nothing_and_says_so(self, log_store, acme):
        assert (found(log_store, acme), log_store.count(acme), list(log_store.days())) == ([], 0, [])
        log_store.delete_organization(acme)
        log_store.drop_day("2026-09-21")
        log_store.refresh()

    def test_an_empty_batch_is_written(self, log_store, acme):
        assert log_store.write(log_batch(acme)) == LogWriteOutcome(0)

    def test_every_field_comes_back_as_it_was_sent(self, log_store, acme):
        event = log_event(
            'GET "/x" \\ {brace} é漢\u200b\t\x00',
            BASE + 123_456_789,
            level=LogLevel.FATAL,
            host_id="host-1",
            service_id="svc",
            stream="stderr",
            tags={"env": "prod", "a.b": "dots", "": "empty"},
            metadata={
                "n": 1,
                "f": 2.5,
                "b": True,
                "none": None,
                "deep": {"list": [1, "x", {"y": []}]},
                "big": 2**53 + 1,
            },
        )
        stored(log_store, acme, event)
        assert found(log_store, acme) == [event]

    def test_a_batch_written_again_leaves_each_event_once(self, log_store, acme, umbrella):
        stored(log_store, umbrella, log_event("theirs"))
        events = [log_event(f"line {n}", BASE + n * DAY // 4) for n in range(12)]
        stored(log_store, acme, *events)
        stored(log_store, acme, *events)
        stored(log_store, acme, *reversed(events))
        assert found(log_store, acme) == events[::-1]
        assert (log_store.count(acme), log_store.count(umbrella)) == (12, 1)

    def test_a_replay_with_old_and_new_events_adds_only_the_new(self, log_store, acme):
        first, second, third = (log_event(name, BASE + n) for n, name in enumerate(("one", "two", "three")))
        stored(log_store, acme, second)
        stored(log_store, acme, first, second, third)
        assert found(log_store, acme) == [third, second, first]

    def test_an_event_twice_in_one_batch_is_there_once(self, log_store, acme):
        event = log_event()
        stored(log_store, acme, event, event)
        assert log_store.count(acme) == 1

    def test_ids_that_share_a_half_are_different_events(self, log_store, acme):
        low, high = 0xABC, 0xABC << 64
        ids = [event_id_of(low), event_id_of(high), event_id_of(high | low), event_id_of(0)]
        events = [log_event(event_id=event_id, timestamp_ns=BASE + n) for n, event_id in enumerate(ids)]
        for event in events:
            stored(log_store, acme, event)
        stored(log_store, acme, *events)
        assert found(log_store, acme) == events[::-1]

    def test_what_cannot_be_stored_is_reported_and_its_neighbours_are_stored(self, log_store, acme):
        good = [log_event(f"good {n}", BASE + n) for n in range(3)]
        bad_id = replace(log_event(), event_id="../../etc")
        bad_day = replace(log_event(), day="2026/../x")
        half_character = log_event("\ud800")
        out_of_range = log_event(timestamp_ns=1 << 63, day=day_of(BASE))
        too_large = log_event("x" * LOG_DOCUMENT_BYTES)
        batch = log_batch(acme, good[0], bad_id, good[1], bad_day, half_character, out_of_range, too_large, good[2])
        outcome = log_store.write(batch)
        log_store.refresh()
        assert (outcome.written, [r.index for r in outcome.rejected]) == (3, [1, 3, 4, 5, 6])
        assert all(rejection.reason for rejection in outcome.rejected)
        assert found(log_store, acme) == good[::-1]

    def test_days_are_listed_and_dropped_whole(self, log_store, acme, umbrella):
        kept, gone = log_event("kept", BASE), log_event("gone", BASE - 3 * DAY)
        stored(log_store, acme, kept, gone)
        stored(log_store, umbrella, kept, gone)
        assert list(log_store.days()) == [gone.day, kept.day]
        log_store.drop_day(gone.day)
        log_store.drop_day(gone.day)
        log_store.refresh()
        assert list(log_store.days()) == [kept.day]
        assert found(log_store, acme) == found(log_store, umbrella) == [kept]
        stored(log_store, acme, gone)
        assert found(log_store, acme) == [kept, gone]

    def test_an_event_is_kept_in_its_own_day_whatever_its_time(self, log_store, acme):
        late = log_event("late", BASE - 30 * DAY, day=day_of(BASE))
        usual = log_event("usual", BASE)
        before = log_event("before", BASE - DAY)
        stored(log_store, acme, late, usual, before)
        assert found(log_store, acme) == [usual, before, late]
        assert found(log_store, acme, limit=1_000, to_ns=BASE - 20 * DAY) == [late]
        log_store.drop_day(day_of(BASE))
        assert found(log_store, acme) == [before]

    def test_an_erased_organization_leaves_nothing_and_moves_nobody(self, log_store, acme, umbrella):
        events = [log_event(f"line {n}", BASE - n * DAY // 8, host_id="h") for n in range(40)]
        stored(log_store, acme, *events)
        stored(log_store, umbrella, *events)
        log_store.delete_organization(acme)
        log_store.delete_organization(acme)
        assert (log_store.count(acme), log_store.count(umbrella)) == (0, 40)
        for where in (None, Text("line"), FieldIs("host_id", "h")):
            assert found(log_store, acme, where) == []
            assert found(log_store, umbrella, where) == events

    def test_health_says_ready_and_which_version(self, log_store):
        health = log_store.health()
        assert health.is_ready
        assert health.version
        assert health.latency_ms is not None

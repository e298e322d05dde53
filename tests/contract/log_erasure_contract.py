"""What every log store promises of deleting what a filter finds. Mixed into a test class that has `new_store`."""

import pytest

from contract.log_isolation_contract import CRAFTED
from contract.log_reference import matches
from contract.log_subjects import LogSubjects, found, stored
from factories.log_events import BASE, DAY, log_event
from strata_datamodel.logs import And, AttributeHolds, FieldIs, MatchAll, Not, Or, Text

EVENTS = (
    log_event("Ann signed in", BASE, host_id="web1", metadata={"user": "Ann@Acme.test"}),
    log_event("request by ann@acme.test, refused", BASE + 1, host_id="web2"),
    log_event("GET /", BASE + 2 - DAY, host_id="web1", metadata={"deep": {"urls": ["/users/ann@acme.test/x?y"]}}),
    log_event("ann and acme and test", BASE + 3, host_id="web10", tags={"env": "prod"}),
    log_event("nothing", BASE + 4 - 2 * DAY, host_id="web1", tags={"env": "production"}, metadata={"a\nb": "c*d"}),
)
CHOICES = (
    FieldIs("host_id", "web1"),
    Or((FieldIs("tags.env", "prod"), FieldIs("metadata.env", "prod"))),
    Or((Text("ann@acme.test", phrase=True), AttributeHolds("ann@acme.test"))),
    AttributeHolds("users/ANN@acme.test/x?y"),
    AttributeHolds("a\nb=c*"),
    AttributeHolds("*"),
    AttributeHolds("ann.acme"),
    And((FieldIs("host_id", "web1"), Not(AttributeHolds("env=prod")))),
    Or(()),
    MatchAll(),
)


class LogErasureContract(LogSubjects):
    @pytest.mark.parametrize("where", CHOICES)
    def test_what_a_filter_finds_is_deleted_on_every_day_and_nothing_else(self, log_store, acme, umbrella, where):
        for organization in (acme, umbrella):
            stored(log_store, organization, *EVENTS)
        wanted = [event for event in EVENTS if matches(where, event)]
        assert log_store.count_matching(acme, where) == len(wanted)
        log_store.delete_matching(acme, where)
        log_store.delete_matching(acme, where)
        assert log_store.count_matching(acme, where) == 0
        kept = sorted((event for event in EVENTS if event not in wanted), key=lambda event: -event.timestamp_ns)
        assert found(log_store, acme) == kept
        assert log_store.count(umbrella) == log_store.count_matching(umbrella, MatchAll()) == len(EVENTS)

    def test_text_with_a_meaning_to_the_store_is_only_text(self, log_store, acme, umbrella):
        plain = log_event("plain", BASE, host_id="h")
        holding = [log_event("x", BASE - n - 1, metadata={"k": f"a{text}b"}) for n, text in enumerate(CRAFTED)]
        for organization in (acme, umbrella):
            stored(log_store, organization, plain, *holding)
        for number, crafted in enumerate(CRAFTED):
            assert log_store.count_matching(acme, AttributeHolds(f"a{crafted}b")) == 1, crafted
            log_store.delete_matching(acme, AttributeHolds(f"a{crafted}b"))
            assert found(log_store, acme) == [plain, *holding[number + 1 :]], crafted
        assert log_store.count(umbrella) == len(holding) + 1

    def test_what_was_deleted_can_come_again(self, log_store, acme):
        stored(log_store, acme, EVENTS[0])
        log_store.delete_matching(acme, FieldIs("host_id", "web1"))
        stored(log_store, acme, EVENTS[0])
        assert found(log_store, acme) == [EVENTS[0]]

"""No value that an organization can send reaches another's events."""

import pytest

from contract.log_subjects import LogSubjects, all_pages, found, stored
from factories.log_events import BASE, event_id_of, log_event, log_search
from strata_datamodel.logs import FieldIs, LogCursor, MatchAll, Not, Or, Text

CRAFTED = [
    '" OR organization_id:* OR "',
    "organization_id:",
    "* OR *",
    "x) OR (organization:*",
    '"}}]}},{"match_all":{}}',
    "{{organization_id}}",
    "\\",
    "*",
    "_exists_:organization_id",
    "a\x00b",
    "\x1forganization=",
    "AND",
    "/.*/",
    "[* TO *]",
    "~2",
    "word^10",
]


class LogIsolationContract(LogSubjects):
    def test_two_organizations_with_the_same_ids_never_mix(self, log_store, acme, umbrella):
        ours = [log_event("ours", BASE + n, event_id=event_id_of(n)) for n in range(20)]
        theirs = [log_event("theirs", BASE + n, event_id=event_id_of(n)) for n in range(20)]
        stored(log_store, acme, *ours)
        stored(log_store, umbrella, *theirs)
        stored(log_store, acme, *ours)
        assert found(log_store, acme) == ours[::-1]
        assert found(log_store, umbrella) == theirs[::-1]
        assert all_pages(log_store, log_search(umbrella, limit=3)) == theirs[::-1]

    @pytest.mark.parametrize("crafted", CRAFTED)
    def test_a_crafted_value_finds_itself_and_nothing_else(self, log_store, acme, umbrella, crafted):
        name = f"metadata.{crafted}"
        values = {"host_id": crafted, "tags": {"t": crafted}, "metadata": {crafted: crafted}}
        ours, plain = log_event(f"x {crafted} y", BASE, **values), log_event("plain", BASE + 1)
        stored(log_store, umbrella, log_event(f"x {crafted} y", BASE, **values), log_event("plain", BASE + 1))
        stored(log_store, acme, ours, plain)
        for where in (
            Text(f"x {crafted} y", phrase=True),
            FieldIs("host_id", crafted),
            FieldIs("host_id", crafted, prefix=True),
            FieldIs("tags.t", crafted),
            FieldIs(name, crafted),
            FieldIs(name, crafted, prefix=True),
        ):
            assert found(log_store, acme, where) == [ours], where
        assert found(log_store, acme, FieldIs(f"tags.t={crafted[:1]}", crafted[1:])) == []

    def test_no_filter_widens_a_search_to_another_organization(self, log_store, acme, umbrella):
        stored(log_store, umbrella, log_event("theirs", host_id="h"))
        everything = Or((MatchAll(), Not(MatchAll()), Not(Text("nothing")), FieldIs("host_id", "", prefix=True)))
        assert found(log_store, acme, everything) == []
        assert log_store.search(log_search(acme, everything)).total.value == 0
        for name in ("organization_id", "organization", "tags.organization_id", "_id"):
            assert found(log_store, acme, FieldIs(name, str(umbrella))) == []

    def test_a_cursor_out_of_another_organization_shows_nothing_of_it(self, log_store, acme, umbrella):
        stored(log_store, umbrella, *(log_event("theirs", BASE + n) for n in range(5)))
        ours = log_event("ours", BASE - 1)
        stored(log_store, acme, ours)
        theirs = log_store.search(log_search(umbrella, limit=2)).next_cursor
        assert theirs is not None
        assert found(log_store, acme, after=theirs) == [ours]
        assert found(log_store, acme, after=LogCursor(BASE - 1, event_id_of(0))) == []

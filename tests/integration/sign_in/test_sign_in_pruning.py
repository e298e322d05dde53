from datetime import timedelta

from fixtures.signing_in import enrol_phone, log_in, signed_in, ticket_for
from strata_core.sign_in.pruning import prune_sign_in


def counts(api):
    tables = ("sign_in_attempts", "sign_in_tickets", "sessions")
    return [api.database.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables]


def prune(api, limit=100):
    with api.acme.system_units.system() as uow:
        return prune_sign_in(uow, limit=limit)


def test_what_has_served_its_time_is_forgotten_and_nothing_sooner(api):
    with signed_in(api, api.acme.owner_email) as visitor:
        enrol_phone(api, visitor)
        ticket_for(visitor, api.acme.owner_email)
    for name in ("ann", "bob", "cid"):
        log_in(api.client, f"{name}@acme.test", "guess")
    before = counts(api)
    assert prune(api) == 0
    assert counts(api) == before
    api.clock.advance(timedelta(minutes=16))
    assert prune(api, limit=2) == 3  # two attempts, one ticket
    prune(api)
    assert counts(api) == [0, 0, 1]
    api.clock.advance(timedelta(days=36))
    assert prune(api) == 0
    api.clock.advance(timedelta(days=2))
    assert prune(api) == 1


def test_what_happened_to_an_account_is_shown_for_a_year(api):
    with signed_in(api, api.acme.owner_email):
        pass
    api.clock.advance(timedelta(days=200))
    with signed_in(api, api.acme.owner_email):
        pass
    events = "SELECT id FROM security_events ORDER BY id"
    first, *later = api.database.rows(events)
    assert later
    prune(api)
    assert first in api.database.rows(events)
    api.clock.advance(timedelta(days=166))
    assert prune(api, limit=1) >= 1
    while prune(api):
        pass
    assert api.database.rows(events) == later[-len(api.database.rows(events)) :] != []

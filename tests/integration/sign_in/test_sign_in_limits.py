"""There is no Redis in this world at all: what limits sign-ins is PostgreSQL, and without that nobody signs in."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx

from fixtures.signing_in import LOGIN, log_in
from integration.people.people_world import invited, token_for
from strata_datamodel.limits import INVITATION_LINKS_PER_ADDRESS


def visitor_from(api, address):
    return api.visitor(transport=httpx.HTTPTransport(local_address=address))


def test_an_account_that_is_flooded_from_one_place_is_closed_to_it_and_to_nobody_else(api):
    with visitor_from(api, "127.0.0.2") as flood, visitor_from(api, "127.0.0.3") as owner:
        answers = [log_in(flood, api.acme.owner_email, f"guess {n}") for n in range(12)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        assert answers[-1].json()["code"] == "too_many_attempts"
        assert 800 < int(answers[-1].headers["retry-after"]) <= 900
        assert log_in(flood, api.acme.owner_email).status_code == 429
        assert log_in(flood, api.globex.owner_email).status_code == 200
        assert log_in(owner, api.acme.owner_email).status_code == 200
        api.clock.advance(timedelta(minutes=15, seconds=1))
        assert log_in(flood, api.acme.owner_email).status_code == 200


def test_an_unknown_account_is_limited_alike(api):
    answers = [log_in(api.client, "nobody@acme.test", f"guess {n}").status_code for n in range(11)]
    assert answers == [401] * 10 + [429]


def test_a_flood_over_many_accounts_from_one_place_is_stopped(api):
    with visitor_from(api, "127.0.0.2") as flood:
        answers = [log_in(flood, f"person{n}@acme.test", "guess").status_code for n in range(102)]
        assert answers == [401] * 100 + [429] * 2
        assert log_in(flood, api.acme.owner_email).status_code == 429
    with visitor_from(api, "127.0.0.3") as other:
        assert log_in(other, api.acme.owner_email).status_code == 200


def test_a_flood_of_one_account_from_many_places_is_stopped(api):
    statuses = []
    for place in range(11):
        with visitor_from(api, f"127.0.1.{place + 1}") as flood:
            statuses += [log_in(flood, api.acme.owner_email, f"guess {n}").status_code for n in range(10)]
    assert statuses == [401] * 100 + [429] * 10


def test_a_flood_at_once_gets_no_more_guesses_than_one_after_the_other(api):
    def guess(number):
        with api.visitor(timeout=60) as visitor:
            return log_in(visitor, api.acme.owner_email, f"guess {number}").status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(guess, range(40)))
    assert statuses.count(401) <= 10
    assert set(statuses) <= {401, 429, 503}
    assert log_in(api.client, api.acme.owner_email).status_code == 429


def test_signing_in_clears_what_was_mistyped(api):
    for _ in range(3):
        statuses = [log_in(api.client, api.acme.owner_email, "mistyped").status_code for _ in range(8)]
        assert statuses == [401] * 8
        with api.visitor() as visitor:
            assert log_in(visitor, api.acme.owner_email).status_code == 200


def test_many_people_behind_one_address_sign_in_all_day(api):
    for _ in range(110):
        with api.visitor() as visitor:
            assert log_in(visitor, api.acme.owner_email).status_code == 200


def test_without_the_counter_nobody_signs_in(api):
    api.database.run("REVOKE INSERT ON sign_in_attempts FROM strata_app")
    try:
        answer = log_in(api.client, api.acme.owner_email)
        assert answer.status_code != 200
        assert "set-cookie" not in answer.headers
    finally:
        api.database.run("GRANT INSERT ON sign_in_attempts TO strata_app")


def test_what_is_counted_names_nobody(api):
    log_in(api.client, api.acme.owner_email, "guess")
    dump = repr(api.database.rows("SELECT * FROM sign_in_attempts"))
    assert "acme" not in dump
    assert "127.0.0.1" not in dump


def test_a_cross_site_login_counts_for_nobody(api):
    for _ in range(12):
        body = {"email": api.acme.owner_email, "password": "guess"}
        api.client.post(LOGIN, json=body, headers={"sec-fetch-site": "cross-site"})
    assert log_in(api.client, api.acme.owner_email).status_code == 200


def test_guessing_links_of_invitations_is_stopped_and_good_links_cost_nothing(api):
    def opened(visitor, path, token):
        return visitor.post(f"/api/v1/invitations/{path}", json={"token": token}).status_code

    invited(api, api.acme, "ada@new.test")
    token = token_for(api, "ada@new.test")
    with visitor_from(api, "127.0.0.2") as flood, visitor_from(api, "127.0.0.3") as other:
        assert [opened(other, "preview", token) for _ in range(INVITATION_LINKS_PER_ADDRESS + 1)][-1] == 200
        guesses = [opened(flood, "preview", f"{n:043}") for n in range(INVITATION_LINKS_PER_ADDRESS - 1)]
        guesses += [opened(flood, path, "0" * 43) for path in ("accept", "accept", "preview")]
        assert guesses == [404] * INVITATION_LINKS_PER_ADDRESS + [429] * 2
        assert opened(flood, "preview", token) == 429
        assert opened(other, "preview", token) == 200
        api.clock.advance(timedelta(minutes=15, seconds=1))
        assert opened(flood, "preview", token) == 200

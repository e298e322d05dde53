import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from fixtures.signing_in import RESET, enrol_phone, log_in, mailed_tokens, reset_token, signed_in

NEW = "a bicycle under the stairs"
CONFIRM = f"{RESET}/confirm"


def test_the_mailed_link_sets_a_password_once_and_ends_every_session(api):
    with signed_in(api, api.acme.owner_email) as visitor:
        token = reset_token(api, api.acme.owner_email, api.acme.owner_id)
        assert api.client.post(CONFIRM, json={"token": token, "password": NEW}).status_code == 204
        assert visitor.get("/api/v1/me").status_code == 401
    again = api.client.post(CONFIRM, json={"token": token, "password": "another good one here"})
    assert (again.status_code, again.json()["code"]) == (401, "ticket_refused")
    with api.visitor() as visitor:
        assert log_in(visitor, api.acme.owner_email).status_code == 401
        assert log_in(visitor, api.acme.owner_email, NEW).status_code == 200
        assert log_in(visitor, api.globex.owner_email).status_code == 200


def test_of_many_uses_of_a_link_at_once_one_sets_the_password(api):
    token = reset_token(api, api.acme.owner_email, api.acme.owner_id)
    wanted = [f"a bicycle under {n} stairs" for n in range(5)]

    def use(password):
        with api.visitor(timeout=30) as visitor:
            return visitor.post(CONFIRM, json={"token": token, "password": password}).status_code

    with ThreadPoolExecutor(5) as pool:
        statuses = list(pool.map(use, wanted))
    assert sorted(statuses) == [204, 401, 401, 401, 401]
    with api.visitor() as visitor:
        outcomes = [log_in(visitor, api.acme.owner_email, password).status_code for password in wanted]
    assert [outcome == 200 for outcome in outcomes] == [status == 204 for status in statuses]


def test_a_known_and_an_unknown_address_get_one_answer(api):
    known = api.client.post(RESET, json={"email": api.acme.owner_email})
    unknown = api.client.post(RESET, json={"email": "nobody@acme.test"})
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (202, b"null")
    assert set(known.headers) == set(unknown.headers)


def test_a_link_ends_after_an_hour_and_with_the_next_one(api):
    first = reset_token(api, api.acme.owner_email, api.acme.owner_id)
    second = reset_token(api, api.acme.owner_email, api.acme.owner_id)
    assert api.client.post(CONFIRM, json={"token": first, "password": NEW}).status_code == 401
    api.clock.advance(timedelta(minutes=60, seconds=1))
    assert api.client.post(CONFIRM, json={"token": second, "password": NEW}).status_code == 401


def test_a_refused_password_leaves_the_link_good(api):
    token = reset_token(api, api.acme.owner_email, api.acme.owner_id)
    weak = api.client.post(CONFIRM, json={"token": token, "password": "Password1!"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    assert api.client.post(CONFIRM, json={"token": token, "password": NEW}).status_code == 204


def test_a_new_password_does_not_replace_the_second_factor(api):
    with signed_in(api, api.acme.owner_email) as visitor:
        enrol_phone(api, visitor)
    token = reset_token(api, api.acme.owner_email, api.acme.owner_id)
    answer = api.client.post(CONFIRM, json={"token": token, "password": NEW})
    assert "set-cookie" not in answer.headers
    with api.visitor() as visitor:
        assert log_in(visitor, api.acme.owner_email, NEW).json()["mfa_required"] is True


def test_the_database_does_not_hold_the_link(api):
    token = reset_token(api, api.acme.owner_email, api.acme.owner_id)
    for table in ("mails", "sign_in_tickets", "security_events", "users"):
        assert token not in repr(api.database.rows(f"SELECT * FROM {table}"))


def test_nobody_is_flooded_with_mails(api):
    answers = [api.client.post(RESET, json={"email": api.acme.owner_email}).status_code for _ in range(4)]
    unknown = [api.client.post(RESET, json={"email": "nobody@acme.test"}).status_code for _ in range(4)]
    assert answers == unknown == [202, 202, 202, 429]
    assert len(mailed_tokens(api, api.acme.owner_id)) == 3
    assert mailed_tokens(api, api.globex.owner_id) == []


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "\ud800" * 3, "é" * 43])
def test_no_made_up_token_works_or_crashes(api, token):
    body = json.dumps({"token": token, "password": NEW})  # escaped: httpx would not send half a surrogate pair
    answer = api.client.post(CONFIRM, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {401, 422}


def test_a_ticket_of_another_purpose_is_no_link(api):
    with signed_in(api, api.acme.owner_email) as visitor:
        enrol_phone(api, visitor)
    with api.visitor() as visitor:
        ticket = log_in(visitor, api.acme.owner_email).json()["ticket"]
    assert api.client.post(CONFIRM, json={"token": ticket, "password": NEW}).status_code == 401

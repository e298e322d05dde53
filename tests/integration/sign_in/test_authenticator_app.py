from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from fixtures.signing_in import SECOND_FACTOR, enrol_phone, log_in, signed_in, ticket_for


@pytest.fixture
def enrolled(api):
    """Acme's owner with an authenticator app, a step later: its codes are fresh."""
    with signed_in(api, api.acme.owner_email) as visitor:
        phone, codes = enrol_phone(api, visitor)
    api.clock.advance(timedelta(seconds=60))
    return phone, codes


def test_a_password_alone_opens_nothing_once_an_app_is_enrolled(api, enrolled):
    with api.visitor() as visitor:
        answer = log_in(visitor, api.acme.owner_email)
        assert answer.status_code == 200
        assert answer.json()["methods"] == ["totp", "recovery_code"]
        assert "set-cookie" not in answer.headers
        assert visitor.get("/api/v1/me").status_code == 401
        ticket = answer.json()["ticket"]
        with api.visitor(cookies={"strata_session": ticket}) as thief:
            assert thief.get("/api/v1/me").status_code == 401


def test_a_code_finishes_signing_in_and_works_once(api, enrolled):
    phone, _ = enrolled
    with api.visitor() as visitor, api.visitor() as eavesdropper:
        ticket, other = ticket_for(visitor, api.acme.owner_email), ticket_for(eavesdropper, api.acme.owner_email)
        code = phone.code()
        assert visitor.post(SECOND_FACTOR, json={"ticket": ticket, "code": code}).status_code == 200
        assert visitor.get("/api/v1/orgs/acme").status_code == 200
        again = eavesdropper.post(SECOND_FACTOR, json={"ticket": other, "code": code})
        assert (again.status_code, again.json()["code"]) == (401, "bad_code")
        older = eavesdropper.post(SECOND_FACTOR, json={"ticket": other, "code": phone.code(steps_ago=1)})
        assert older.status_code == 401
        assert eavesdropper.get("/api/v1/me").status_code == 401


def test_the_code_that_enrolled_does_not_sign_in(api):
    with signed_in(api, api.acme.owner_email) as visitor, api.visitor() as thief:
        phone, _ = enrol_phone(api, visitor)
        ticket = ticket_for(thief, api.acme.owner_email)
        assert thief.post(SECOND_FACTOR, json={"ticket": ticket, "code": phone.code()}).status_code == 401


def test_of_many_uses_of_one_code_at_once_one_succeeds(api, enrolled):
    phone, _ = enrolled
    with api.visitor() as visitor:
        tickets = [ticket_for(visitor, api.acme.owner_email) for _ in range(4)]
    code = phone.code()

    def use(ticket):
        with api.visitor() as visitor:
            return visitor.post(SECOND_FACTOR, json={"ticket": ticket, "code": code}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(use, tickets)) == [200, 401, 401, 401]


def test_a_ticket_is_good_for_one_session_few_attempts_and_a_few_minutes(api, enrolled):
    phone, _ = enrolled
    with api.visitor() as visitor:
        ticket = ticket_for(visitor, api.acme.owner_email)
        assert visitor.post(SECOND_FACTOR, json={"ticket": ticket, "code": phone.code()}).status_code == 200
        used = visitor.post(SECOND_FACTOR, json={"ticket": ticket, "code": phone.next_code()})
        assert used.json()["code"] == "ticket_refused"

        guessed = ticket_for(visitor, api.acme.owner_email)
        for _ in range(5):
            wrong = visitor.post(SECOND_FACTOR, json={"ticket": guessed, "code": "000000"})
            assert wrong.json()["code"] == "bad_code"
        late = visitor.post(SECOND_FACTOR, json={"ticket": guessed, "code": phone.next_code()})
        assert late.json()["code"] == "ticket_refused"

        old = ticket_for(visitor, api.acme.owner_email)
        api.clock.advance(timedelta(minutes=5, seconds=1))
        expired = visitor.post(SECOND_FACTOR, json={"ticket": old, "code": phone.code()})
        assert expired.json()["code"] == "ticket_refused"


def test_new_tickets_give_no_new_guesses(api, enrolled):
    phone, _ = enrolled
    with api.visitor() as visitor:
        answers = []
        for _ in range(3):
            ticket = ticket_for(visitor, api.acme.owner_email)
            for _ in range(4):
                answers.append(visitor.post(SECOND_FACTOR, json={"ticket": ticket, "code": "000000"}))  # noqa: PERF401
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) > 60
        right = visitor.post(SECOND_FACTOR, json={"ticket": ticket, "code": phone.next_code()})
        assert right.status_code == 429
        api.clock.advance(timedelta(minutes=16))
        ticket = ticket_for(visitor, api.acme.owner_email)
        assert visitor.post(SECOND_FACTOR, json={"ticket": ticket, "code": phone.code()}).status_code == 200


def test_a_recovery_code_works_once_in_place_of_the_app(api, enrolled):
    _, codes = enrolled
    assert len(set(codes)) == 10
    typed = codes[3].upper().replace("-", " ")
    with api.visitor() as visitor, api.visitor() as thief:
        ticket, other = ticket_for(visitor, api.acme.owner_email), ticket_for(thief, api.acme.owner_email)
        assert visitor.post(SECOND_FACTOR, json={"ticket": ticket, "code": typed}).status_code == 200
        assert visitor.get("/api/v1/me/second-factors").json()["recovery_codes_left"] == 9
        assert thief.post(SECOND_FACTOR, json={"ticket": other, "code": codes[3]}).status_code == 401


def test_of_two_uses_of_a_recovery_code_at_once_one_succeeds(api, enrolled):
    _, codes = enrolled
    with api.visitor() as visitor:
        tickets = [ticket_for(visitor, api.acme.owner_email) for _ in range(4)]

    def use(ticket):
        with api.visitor() as visitor:
            return visitor.post(SECOND_FACTOR, json={"ticket": ticket, "code": codes[0]}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(use, tickets)) == [200, 401, 401, 401]


def test_new_recovery_codes_end_the_ones_before(api):
    with signed_in(api, api.acme.owner_email) as visitor, api.visitor() as later:
        _, before = enrol_phone(api, visitor)
        after = visitor.post("/api/v1/me/recovery-codes").json()["recovery_codes"]
        assert not set(before) & set(after)
        ticket = ticket_for(later, api.acme.owner_email)
        assert later.post(SECOND_FACTOR, json={"ticket": ticket, "code": before[0]}).status_code == 401
        assert later.post(SECOND_FACTOR, json={"ticket": ticket, "code": after[0]}).status_code == 200


def test_a_recovery_code_of_somebody_else_opens_nothing(api, enrolled):
    _, codes = enrolled
    with signed_in(api, api.globex.owner_email) as visitor, api.visitor() as other:
        enrol_phone(api, visitor)
        ticket = ticket_for(other, api.globex.owner_email)
        assert other.post(SECOND_FACTOR, json={"ticket": ticket, "code": codes[0]}).status_code == 401


def test_a_removed_app_is_not_asked_for_and_its_recovery_codes_are_gone(api, enrolled):
    phone, _ = enrolled
    with api.visitor() as visitor:
        ticket = ticket_for(visitor, api.acme.owner_email)
        visitor.post(SECOND_FACTOR, json={"ticket": ticket, "code": phone.code()}).raise_for_status()
        assert visitor.delete("/api/v1/me/totp").status_code == 204
        assert visitor.get("/api/v1/me/second-factors").json() == {
            "has_totp": False,
            "passkey_count": 0,
            "recovery_codes_left": 0,
        }
        assert visitor.delete("/api/v1/me/totp").status_code == 404
        assert visitor.post("/api/v1/me/recovery-codes").status_code == 409
    with signed_in(api, api.acme.owner_email) as visitor:
        assert visitor.get("/api/v1/me").status_code == 200


def test_an_app_that_was_not_confirmed_locks_nobody_out(api):
    with signed_in(api, api.acme.owner_email) as visitor:
        first = visitor.post("/api/v1/me/totp").json()["secret"]
        second = visitor.post("/api/v1/me/totp").json()["secret"]
        assert first != second
        wrong = visitor.post("/api/v1/me/totp/confirm", json={"code": "000000"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_code")
    with signed_in(api, api.acme.owner_email) as visitor:
        assert visitor.get("/api/v1/me").status_code == 200


def test_an_enrolled_app_is_not_replaced_in_silence(api):
    with signed_in(api, api.acme.owner_email) as visitor:
        phone, _ = enrol_phone(api, visitor)
        assert visitor.post("/api/v1/me/totp").json()["code"] == "totp_enrolled"
        again = visitor.post("/api/v1/me/totp/confirm", json={"code": phone.next_code()})
        assert again.json()["code"] == "totp_enrolled"


def test_the_database_gives_no_secret_away(api):
    with signed_in(api, api.acme.owner_email) as visitor:
        phone, codes = enrol_phone(api, visitor)
    tables = ("totp_secrets", "recovery_codes", "sign_in_tickets", "security_events", "audit_log", "outbox")
    dump = b"".join(repr(api.database.rows(f"SELECT * FROM {table}")).encode() for table in tables)
    (row,) = api.database.rows("SELECT secret_sealed FROM totp_secrets")
    assert phone.secret not in row["secret_sealed"]
    for secret in (*codes, *(code.replace("-", "") for code in codes)):
        assert secret.encode() not in dump


def test_the_person_sees_what_happened(api, enrolled):
    _, codes = enrolled
    with api.visitor() as visitor:
        ticket = ticket_for(visitor, api.acme.owner_email)
        visitor.post(SECOND_FACTOR, json={"ticket": ticket, "code": codes[0]}).raise_for_status()
        shown = visitor.get("/api/v1/me/security-events", params={"limit": 3}).json()
        assert [event["action"] for event in shown["items"]] == ["signed_in", "recovery_code.used", "totp.enrolled"]
        rest = visitor.get("/api/v1/me/security-events", params={"cursor": shown["next_cursor"]}).json()["items"]
        assert [event["action"] for event in rest] == ["signed_in"]
    with signed_in(api, api.globex.owner_email) as stranger:
        assert [event["action"] for event in stranger.get("/api/v1/me/security-events").json()["items"]] == [
            "signed_in"
        ]

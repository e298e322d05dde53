from datetime import timedelta

import pytest

from fixtures.api import PASSWORD
from fixtures.signing_in import SECOND_FACTOR, enrol_phone, log_in, signed_in, ticket_for

NEW = "a bicycle under the stairs"


def token(visitor):
    return visitor.cookies["strata_session"]


def works(api, session_token):
    with api.visitor(cookies={"strata_session": session_token}) as visitor:
        return visitor.get("/api/v1/me").status_code == 200


def test_the_devices_are_listed_and_one_can_be_ended(api):
    with (
        signed_in(api, api.acme.owner_email) as laptop,
        api.visitor(headers={"user-agent": "Phone/1.0"}) as phone,
        signed_in(api, api.globex.owner_email) as stranger,
    ):
        log_in(phone, api.acme.owner_email)
        listed = laptop.get("/api/v1/me/sessions").json()["items"]
        assert [(each["user_agent"], each["is_current"]) for each in listed] == [
            ("Phone/1.0", False),
            (laptop.headers["user-agent"], True),
        ]
        assert {each["remote_addr"] for each in listed} == {"127.0.0.1"}
        path = f"/api/v1/me/sessions/{listed[0]['id']}"
        assert stranger.delete(path).status_code == 404
        assert phone.get("/api/v1/me").status_code == 200
        assert laptop.delete(path).status_code == 204
        assert phone.get("/api/v1/me").status_code == 401
        assert laptop.delete(path).status_code == 404
        assert len(laptop.get("/api/v1/me/sessions").json()["items"]) == 1


def test_all_other_devices_are_ended_at_once(api):
    with (
        signed_in(api, api.acme.owner_email) as here,
        signed_in(api, api.acme.owner_email) as there,
        signed_in(api, api.acme.owner_email) as elsewhere,
        signed_in(api, api.globex.owner_email) as stranger,
    ):
        assert here.delete("/api/v1/me/sessions").json() == {"count": 2}
        assert [each.get("/api/v1/me").status_code for each in (here, there, elsewhere, stranger)] == [
            200,
            401,
            401,
            200,
        ]


def test_ending_the_session_one_uses_signs_out(api):
    with signed_in(api, api.acme.owner_email) as visitor:
        (mine,) = visitor.get("/api/v1/me/sessions").json()["items"]
        assert visitor.delete(f"/api/v1/me/sessions/{mine['id']}").status_code == 204
        assert not visitor.cookies
        assert visitor.get("/api/v1/me").status_code == 401


def test_idle_and_ended_sessions_are_not_listed(api):
    with signed_in(api, api.acme.owner_email), signed_in(api, api.acme.owner_email) as other:
        other.post("/api/v1/auth/logout")
        api.clock.advance(timedelta(hours=25))
        with signed_in(api, api.acme.owner_email) as here:
            assert len(here.get("/api/v1/me/sessions").json()["items"]) == 1


@pytest.mark.parametrize("how", ["totp", "password", "confirmation"])
def test_a_token_somebody_learned_before_does_not_come_to_more_rights(api, how):
    with signed_in(api, api.acme.owner_email) as visitor:
        learned = token(visitor)
        if how == "totp":
            enrol_phone(api, visitor)
        elif how == "password":
            change = {"current_password": PASSWORD, "password": NEW}
            assert visitor.post("/api/v1/me/password", json=change).status_code == 204
        else:
            assert visitor.post("/api/v1/me/confirmation", json={"password": PASSWORD}).status_code == 204
        assert token(visitor) != learned
        assert not works(api, learned)
        assert works(api, token(visitor))


def test_a_session_from_before_signing_in_does_not_survive_the_second_step(api):
    with signed_in(api, api.acme.owner_email) as visitor:
        phone, _ = enrol_phone(api, visitor)
    planted = "planted"
    with api.visitor(cookies={"strata_session": planted}) as victim:
        ticket = ticket_for(victim, api.acme.owner_email)
        victim.post(SECOND_FACTOR, json={"ticket": ticket, "code": phone.next_code()}).raise_for_status()
    assert not works(api, planted)


def test_changing_the_password_ends_the_other_sessions_and_the_old_password(api):
    with signed_in(api, api.acme.owner_email) as here, signed_in(api, api.acme.owner_email) as there:
        wrong = here.post("/api/v1/me/password", json={"current_password": "not it at all", "password": NEW})
        assert (wrong.status_code, wrong.json()["code"]) == (403, "bad_credentials")
        weak = here.post("/api/v1/me/password", json={"current_password": PASSWORD, "password": "Owner-at-ACME-1"})
        assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
        assert there.get("/api/v1/me").status_code == 200
        changed = here.post("/api/v1/me/password", json={"current_password": PASSWORD, "password": NEW})
        assert changed.status_code == 204, changed.text
        assert here.get("/api/v1/me").status_code == 200
        assert there.get("/api/v1/me").status_code == 401
    with api.visitor() as visitor:
        assert log_in(visitor, api.acme.owner_email).status_code == 401
        assert log_in(visitor, api.acme.owner_email, NEW).status_code == 200
        assert log_in(visitor, api.globex.owner_email).status_code == 200
    (mail,) = api.database.rows("SELECT kind, recipient FROM mails")
    assert mail == {"kind": "password_changed", "recipient": api.acme.owner_email}


def test_a_session_does_not_allow_endless_guessing_of_its_password(api):
    with signed_in(api, api.acme.owner_email) as thief:
        guesses = [thief.post("/api/v1/me/confirmation", json={"password": f"guess {n}"}) for n in range(11)]
        assert [guess.status_code for guess in guesses] == [403] * 10 + [429]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/totp"), ("DELETE", "/totp"), ("POST", "/recovery-codes"), ("POST", "/totp/confirm")],
)
def test_a_browser_left_alone_is_not_enough_to_change_how_one_signs_in(api, method, path):
    with signed_in(api, api.acme.owner_email) as visitor:
        api.clock.advance(timedelta(minutes=16))
        body = {"json": {"code": "123456"}} if path.endswith("confirm") else {}
        refused = visitor.request(method, f"/api/v1/me{path}", **body)
        assert (refused.status_code, refused.json()["code"]) == (403, "confirmation_required")
        assert visitor.post("/api/v1/me/confirmation", json={"password": "wrong"}).status_code == 403
        assert visitor.post("/api/v1/me/confirmation", json={"password": PASSWORD}).status_code == 204
        assert visitor.request(method, f"/api/v1/me{path}", **body).status_code != 403


def test_who_has_a_second_factor_confirms_with_it(api):
    with signed_in(api, api.acme.owner_email) as visitor:
        phone, _ = enrol_phone(api, visitor)
        api.clock.advance(timedelta(minutes=16))
        password = visitor.post("/api/v1/me/confirmation", json={"password": PASSWORD})
        assert password.json()["code"] == "code_required"
        assert visitor.post("/api/v1/me/confirmation", json={"code": phone.code()}).status_code == 204
        assert visitor.delete("/api/v1/me/totp").status_code == 204


def test_a_key_has_no_sessions_and_no_second_factors(api):
    for path in ("sessions", "second-factors", "security-events"):
        answer = api.client.get(f"/api/v1/me/{path}", headers=api.acme.admin)
        assert (answer.status_code, answer.json()["code"]) == (403, "person_required")


@pytest.mark.parametrize("path", ["/api/v1/me/totp", "/api/v1/me/recovery-codes", "/api/v1/me/confirmation"])
def test_another_sites_page_changes_nothing(api, path):
    with signed_in(api, api.acme.owner_email) as visitor:
        answer = visitor.post(path, json={"password": PASSWORD}, headers={"sec-fetch-site": "cross-site"})
        assert answer.json()["code"] == "cross_site_request"


def require_mfa(api, tenant):
    api.database.run(
        "UPDATE organizations SET settings = '{\"require_mfa\": true}' WHERE id = %s", tenant.organization_id
    )


def test_an_organization_that_requires_it_lets_people_in_with_a_second_factor_only(api):
    require_mfa(api, api.acme)
    with signed_in(api, api.acme.owner_email) as visitor:
        refused = visitor.get("/api/v1/orgs/acme")
        assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_required")
        assert visitor.get("/api/v1/me").status_code == 200
        phone, _ = enrol_phone(api, visitor)
        assert visitor.get("/api/v1/orgs/acme").status_code == 200
    with api.visitor() as visitor:
        ticket = ticket_for(visitor, api.acme.owner_email)
        visitor.post(SECOND_FACTOR, json={"ticket": ticket, "code": phone.next_code()}).raise_for_status()
        assert visitor.get("/api/v1/orgs/acme").status_code == 200
        assert visitor.delete("/api/v1/me/totp").status_code == 204
        assert visitor.get("/api/v1/orgs/acme").status_code == 403


def test_what_one_organization_requires_moves_neither_keys_nor_the_other(api):
    require_mfa(api, api.acme)
    assert api.client.get("/api/v1/orgs/acme", headers=api.acme.admin).status_code == 200
    with signed_in(api, api.globex.owner_email) as visitor:
        assert visitor.get("/api/v1/orgs/globex").status_code == 200


def test_a_session_that_another_organizations_provider_vouches_for_is_good_there_only(api):
    """Such a provider can name anybody: its word must not open the doors of others, nor the person's account."""
    with signed_in(api, api.acme.owner_email) as visitor:
        api.database.run("UPDATE sessions SET confined_to = %s", api.globex.organization_id)
        assert visitor.get("/api/v1/orgs/acme").status_code == 404
        assert visitor.post("/api/v1/me/totp").json()["code"] == "session_confined"
        assert visitor.get("/api/v1/me/sessions").json()["code"] == "session_confined"
        change = {"current_password": PASSWORD, "password": NEW}
        assert visitor.post("/api/v1/me/password", json=change).json()["code"] == "session_confined"
        api.database.run("UPDATE sessions SET confined_to = %s", api.acme.organization_id)
        assert visitor.get("/api/v1/orgs/acme").status_code == 200


def test_a_hash_of_weaker_parameters_is_made_anew_at_sign_in(api):
    def stored():
        query = "SELECT password_hash FROM password_hashes JOIN users ON id = user_id WHERE email = %s"
        return str(api.database.rows(query, api.acme.owner_email)[0]["password_hash"])

    fresh = stored()
    weak = api.hasher._argon2.__class__(time_cost=1, memory_cost=32, parallelism=1).hash(PASSWORD)
    planted = "UPDATE password_hashes SET password_hash = %s FROM users WHERE id = user_id AND email = %s"
    api.database.run(planted, weak, api.acme.owner_email)
    with api.visitor() as visitor:
        assert log_in(visitor, api.acme.owner_email, "wrong password").status_code == 401
        assert stored() == weak
        assert log_in(visitor, api.acme.owner_email).status_code == 200
    assert stored() != weak
    assert stored().rsplit("$", 2)[0] == fresh.rsplit("$", 2)[0]

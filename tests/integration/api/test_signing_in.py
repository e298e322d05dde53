from datetime import timedelta

import pytest

from fixtures.api import PASSWORD, bearer

LOGIN = "/api/v1/auth/login"


def credentials(world, password=PASSWORD):
    return {"email": world.acme.owner_email, "password": password}


def test_a_session_serves_wherever_a_key_does(api):
    with api.visitor() as visitor:
        login = visitor.post(LOGIN, json={"email": "Owner@ACME.test ", "password": PASSWORD})
        assert login.status_code == 200, login.text
        assert login.json()["email"] == api.acme.owner_email
        me = visitor.get("/api/v1/me").json()
        assert me["kind"] == "user"
        assert me["user"]["email"] == api.acme.owner_email
        assert [(each["slug"], each["role"]) for each in me["organizations"]] == [("acme", "owner")]
        assert visitor.get("/api/v1/orgs/acme").json()["slug"] == "acme"
        assert [each["slug"] for each in visitor.get("/api/v1/orgs").json()["items"]] == ["acme"]
        assert visitor.get("/api/v1/orgs/globex").status_code == 404


def test_the_cookie_is_hidden_from_scripts_and_from_other_sites(api):
    cookie = api.client.post(LOGIN, json=credentials(api)).headers["set-cookie"]
    assert cookie.startswith("strata_session=")
    for flag in ("HttpOnly", "SameSite=lax", "Path=/", "expires="):
        assert flag in cookie
    assert "Domain" not in cookie


def test_an_unknown_address_and_a_wrong_password_get_one_answer(api):
    unknown = api.client.post(LOGIN, json={"email": "nobody@acme.test", "password": PASSWORD})
    wrong = api.client.post(LOGIN, json=credentials(api, "wrong password"))
    for answer in (unknown, wrong):
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
    ignored = {"request_id"}
    assert {k: v for k, v in unknown.json().items() if k not in ignored} == {
        k: v for k, v in wrong.json().items() if k not in ignored
    }


def test_failures_are_counted_until_a_success(api):
    def counts():
        query = "SELECT failed_login_count, login_count FROM users WHERE email = %s"
        return tuple(api.database.rows(query, api.acme.owner_email)[0].values())

    for _ in range(3):
        api.client.post(LOGIN, json=credentials(api, "wrong password"))
    assert counts() == (3, 0)
    api.client.post(LOGIN, json=credentials(api))
    assert counts() == (0, 1)


def test_signing_out_ends_the_session_at_the_server(api):
    with api.visitor() as visitor:
        visitor.post(LOGIN, json=credentials(api))
        stolen = dict(visitor.cookies)
        assert visitor.post("/api/v1/auth/logout").status_code == 204
        assert not visitor.cookies
    with api.visitor(cookies=stolen) as thief:
        answer = thief.get("/api/v1/me")
        assert answer.status_code == 401
        assert answer.json()["code"] == "session_ended"


def test_a_planted_session_id_is_worth_nothing_after_sign_in(api):
    with api.visitor(cookies={"strata_session": "planted"}) as victim:
        victim.post(LOGIN, json=credentials(api))
    with api.visitor(cookies={"strata_session": "planted"}) as attacker:
        assert attacker.get("/api/v1/me").status_code == 401


def test_signing_in_again_ends_the_session_the_browser_held(api):
    with api.visitor() as visitor:
        visitor.post(LOGIN, json=credentials(api))
        before = dict(visitor.cookies)
        visitor.post(LOGIN, json=credentials(api))
        assert dict(visitor.cookies) != before
        assert visitor.get("/api/v1/me").status_code == 200
    with api.visitor(cookies=before) as old:
        assert old.get("/api/v1/me").status_code == 401


def test_an_unused_session_idles_out_and_a_used_one_ends_all_the_same(api):
    with api.visitor() as idle, api.visitor() as busy:
        idle.post(LOGIN, json=credentials(api))
        busy.post(LOGIN, json=credentials(api))
        for _ in range(3):
            api.clock.advance(timedelta(hours=23))
            assert busy.get("/api/v1/orgs/acme").status_code == 200
        assert idle.get("/api/v1/me").status_code == 401
        for _ in range(5):
            api.clock.advance(timedelta(hours=20))
            last = busy.get("/api/v1/orgs/acme")
        assert last.status_code == 401


def test_the_database_holds_neither_session_tokens_nor_passwords(api):
    with api.visitor() as visitor:
        visitor.post(LOGIN, json=credentials(api))
        token = visitor.cookies["strata_session"]
    dump = str(api.database.rows("SELECT * FROM sessions")) + str(api.database.rows("SELECT * FROM users"))
    assert token not in dump
    assert PASSWORD not in dump


@pytest.mark.parametrize(
    ("headers", "is_served"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"origin": "https://evil.test"}, False),
        ({"origin": "null"}, False),
        ({"origin": "https://evil.test", "sec-fetch-site": "cross-site"}, False),
    ],
)
def test_another_sites_page_cannot_use_a_session(shared_api, headers, is_served):
    with shared_api.as_member(shared_api.acme, "admin") as member:
        answer = member.post("/api/v1/orgs/acme/api-keys", json={"name": "k", "scopes": ["read"]}, headers=headers)
        assert (answer.status_code == 201) == is_served, answer.text
        if not is_served:
            assert answer.json()["code"] == "cross_site_request"
        # Reading is what links and images do: it changes nothing, and other sites cannot see the answer.
        assert member.get("/api/v1/orgs/acme", headers=headers).status_code == 200


def test_our_own_origin_may_use_a_session_without_fetch_metadata(shared_api):
    with shared_api.as_member(shared_api.acme, "admin") as member:
        draft = {"name": "k", "scopes": ["read"]}
        answer = member.post("/api/v1/orgs/acme/api-keys", json=draft, headers={"origin": shared_api.url})
        assert answer.status_code == 201


def test_another_sites_page_cannot_sign_somebody_in(shared_api):
    answer = shared_api.client.post(LOGIN, json=credentials(shared_api), headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_key_is_no_cookie_so_origins_do_not_matter(shared_api):
    headers = {**shared_api.acme.admin, "origin": "https://evil.test"}
    draft = {"name": "k", "scopes": ["read"]}
    assert shared_api.client.post("/api/v1/orgs/acme/api-keys", json=draft, headers=headers).status_code == 201


def test_scripts_of_a_page_get_no_password_window(shared_api):
    answer = shared_api.client.get("/api/v1/me", headers={"sec-fetch-mode": "cors"})
    assert answer.headers["www-authenticate"] == 'Session realm="strata"'


def test_a_key_in_the_address_is_not_a_credential(shared_api):
    answer = shared_api.client.get("/api/v1/me", params={"u": "x", "p": shared_api.acme.admin_key})
    assert answer.status_code == 401


def test_a_key_names_itself_and_its_organization(shared_api):
    me = shared_api.client.get("/api/v1/me", headers=bearer(shared_api.acme.ingest_key)).json()
    assert me["kind"] == "api_key"
    assert me["api_key"]["scopes"] == ["ingest"]
    assert me["organizations"][0]["permissions"] == ["ingest:write"]
    assert [each["slug"] for each in me["organizations"]] == ["acme"]

import base64
import hashlib
import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from fakes.identity_provider import SigningKey, identity_provider
from fixtures.api import PASSWORD
from fixtures.signing_in import signed_in

START = "/api/v1/auth/oidc/acme/start"
CALLBACK = "/api/v1/auth/oidc/callback"
SETTING = "/api/v1/orgs/acme/identity-provider"


@pytest.fixture
def provider():
    with identity_provider() as running:
        yield running


def draft(provider, **changes):
    return {
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "client_secret": provider.client_secret,
        **changes,
    }


@pytest.fixture
def dev(api, provider):
    """The address of a developer of Acme, whom the provider vouches for."""
    made = api.client.put(SETTING, headers=api.acme.admin, json=draft(provider))
    assert made.status_code == 200, made.text
    email = api.acme.member("developer", api.hasher)
    provider.claims = {"email": email}
    return email


def come_back(visitor, provider):
    sent = visitor.get(START)
    assert sent.status_code == 303, sent.text
    state, code = provider.authorize(sent.headers["location"])
    return visitor.get(CALLBACK, params={"state": state, "code": code})


def role_of(api, email):
    query = "SELECT m.role FROM memberships m JOIN users u ON u.id = m.user_id WHERE u.email = %s"
    return api.database.rows(query, email)[0]["role"]


def assert_refused(api, answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert "strata_session" not in answer.headers.get("set-cookie", "")


def test_a_member_signs_in_by_the_organizations_provider(api, provider, dev):
    with api.visitor() as visitor:
        answer = come_back(visitor, provider)
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text
        assert visitor.get("/api/v1/orgs/acme").status_code == 200
        me = visitor.get("/api/v1/me").json()
        assert (me["user"]["email"], [each["role"] for each in me["organizations"]]) == (dev, ["developer"])
        assert visitor.get("/api/v1/orgs/globex").status_code == 404


def test_the_provider_knows_them_by_subject_whatever_their_address_becomes(api, provider, dev):
    with api.visitor() as visitor:
        come_back(visitor, provider)
        provider.claims = {"email": "renamed@elsewhere.test"}
        assert come_back(visitor, provider).status_code == 303
        assert visitor.get("/api/v1/me").json()["user"]["email"] == dev


def test_what_the_provider_says_opens_nothing_but_its_organization(api, provider, dev):
    user_id = api.database.rows("SELECT id FROM users WHERE email = %s", dev)[0]["id"]
    api.database.run(
        "INSERT INTO memberships (organization_id, user_id, role) VALUES (%s, %s, 'admin')",
        api.globex.organization_id,
        user_id,
    )
    with api.visitor() as visitor:
        come_back(visitor, provider)
        assert visitor.get("/api/v1/orgs/globex").status_code == 404
        assert [each["slug"] for each in visitor.get("/api/v1/orgs").json()["items"]] == ["acme"]
        assert [each["slug"] for each in visitor.get("/api/v1/me").json()["organizations"]] == ["acme"]
        change = {"current_password": PASSWORD, "password": "a bicycle under the stairs"}
        for method, path, body in (
            ("POST", "/api/v1/me/password", change),
            ("POST", "/api/v1/me/totp", None),
            ("POST", "/api/v1/me/passkeys/options", None),
            ("POST", "/api/v1/me/email", {"email": "mine@evil.test"}),
            ("PATCH", "/api/v1/me", {"name": "Mallory"}),
            ("GET", "/api/v1/me/sessions", None),
            ("DELETE", f"/api/v1/me/organizations/{api.globex.organization_id}", None),
        ):
            answer = visitor.request(method, path, **({} if body is None else {"json": body}))
            assert (answer.status_code, answer.json()["code"]) == (403, "session_confined"), path
        assert visitor.post("/api/v1/auth/logout").status_code == 204


def test_a_required_second_factor_is_the_providers_business(api, provider, dev):
    api.database.run(
        "UPDATE organizations SET settings = '{\"require_mfa\": true}' WHERE id = %s", api.acme.organization_id
    )
    with api.visitor() as visitor, signed_in(api, dev) as other:
        come_back(visitor, provider)
        assert visitor.get("/api/v1/orgs/acme").status_code == 200
        assert other.get("/api/v1/orgs/acme").json()["code"] == "second_factor_required"


@pytest.mark.parametrize(
    "lie",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": ["strata", "another-client"]},
        {"aud": ["strata", "another-client"], "azp": "another-client"},
        {"azp": "another-client"},
        {"iss": "https://evil.test"},
        {"exp": 1},
        {"exp": None},
        {"iat": 32_503_680_000},
        {"nbf": 32_503_680_000},
        {"sub": None},
        {"sub": ""},
        {"sub": "nul\0"},
        {"sub": "half\ud800"},
        {"nonce": "half\ud800"},
        {"nonce": ["a"]},
        {"exp": "never"},
        {"exp": True},
        {"exp": float("nan")},
        {"aud": []},
        {"iss": None},
    ],
    ids=str,
)
def test_a_token_for_another_sign_in_is_refused(api, provider, dev, lie):
    provider.claims |= lie
    with api.visitor() as visitor:
        assert_refused(api, come_back(visitor, provider), 401, "oidc_refused")
        assert visitor.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize("attack", ["none", "hs256", "stranger", "unknown key", "garbage", "nested", "odd"])
def test_a_token_that_the_providers_keys_did_not_sign_is_refused(api, provider, dev, attack):
    with api.visitor() as visitor:
        location = visitor.get(START).headers["location"]
        claims = provider.honest_claims(parse_qs(urlsplit(location).query)["nonce"][0]) | provider.claims
        key = provider.keys[0]
        if attack == "none":
            provider.token = jwt.encode(claims, None, algorithm="none", headers={"kid": key.key_id})
        elif attack == "hs256":
            # Signed with the public key as if it were a shared secret; PyJWT would not help with that.
            provider.token = hs256(claims, key)
        elif attack == "garbage":
            provider.token = "a.b.c"
        elif attack == "nested":
            provider.token = base64.urlsafe_b64encode(b"[" * 60_000).decode() + ".e30.AA"
        elif attack == "odd":
            provider.token = base64.urlsafe_b64encode(b'{"alg":["RS256"],"kid":[]}').decode().rstrip("=") + ".e30.AA"
        else:
            kid = key.key_id if attack == "stranger" else "not published"
            provider.token = jwt.encode(claims, SigningKey("x").private, algorithm="RS256", headers={"kid": kid})
        state, code = provider.authorize(location)
        answer = visitor.get(CALLBACK, params={"state": state, "code": code})
        assert_refused(api, answer, 401, "oidc_refused")


def hs256(claims, key):

    def part(document):
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=")

    head = part({"alg": "HS256", "typ": "JWT", "kid": key.key_id}) + b"." + part(claims)
    mac = hmac.digest(key.public_pem, head, hashlib.sha256)
    return (head + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def test_rotated_keys_are_found_and_withdrawn_ones_forgotten(api, provider, dev):
    with api.visitor() as visitor:
        assert come_back(visitor, provider).status_code == 303
        provider.keys = [SigningKey("second")]
        assert come_back(visitor, provider).status_code == 303
        provider.keys = [SigningKey("second"), SigningKey("third")]
        assert come_back(visitor, provider).status_code == 303


def test_a_state_works_once_in_the_browser_that_asked_and_for_minutes(api, provider, dev):
    with api.visitor() as visitor, api.visitor() as victim:
        location = visitor.get(START).headers["location"]
        state, code = provider.authorize(location)
        # Somebody else's sign-in, put upon the victim: they would work in the attacker's account.
        planted = victim.get(CALLBACK, params={"state": state, "code": code})
        assert_refused(api, planted, 401, "oidc_refused")
        again = visitor.get(CALLBACK, params={"state": state, "code": code})
        assert_refused(api, again, 401, "ticket_refused")
        state, code = provider.authorize(visitor.get(START).headers["location"])
        api.clock.advance(timedelta(minutes=5, seconds=1))
        late = visitor.get(CALLBACK, params={"state": state, "code": code})
        assert_refused(api, late, 401, "ticket_refused")
        assert_refused(api, visitor.get(CALLBACK, params={"state": "x", "code": code}), 401, "ticket_refused")


def test_a_code_of_another_sign_in_is_refused_by_its_proof_key(api, provider, dev):
    with api.visitor() as visitor, api.visitor() as victim:
        _, stolen = provider.authorize(victim.get(START).headers["location"])
        state, _ = provider.authorize(visitor.get(START).headers["location"])
        answer = visitor.get(CALLBACK, params={"state": state, "code": stolen})
        assert_refused(api, answer, 401, "oidc_refused")


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "stranger@acme.test"},
        {"email": "owner@globex.test"},
        {"email": None},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
        {"email": "\0"},
    ],
    ids=str,
)
def test_whoever_is_no_member_at_a_verified_address_stays_outside(api, provider, dev, claims):
    provider.claims |= claims
    with api.visitor() as visitor:
        assert_refused(api, come_back(visitor, provider), 403, "not_a_member")
    assert api.database.rows("SELECT * FROM external_identities") == []


def test_who_may_do_more_than_admins_signs_in_alone(api, provider, dev):
    owner = api.acme.admin
    role = api.client.post(
        "/api/v1/orgs/acme/roles",
        headers=owner,
        json={"name": "closers", "permissions": [{"resource": "organization", "action": "delete"}]},
    )
    assert role.status_code == 201, role.text
    user_id = api.database.rows("SELECT id FROM users WHERE email = %s", dev)[0]["id"]
    given = api.client.post(
        "/api/v1/orgs/acme/role-assignments",
        headers=owner,
        json={"role": role.json()["id"], "subject": f"user:{user_id}"},
    )
    assert given.status_code == 201, given.text
    with api.visitor() as visitor:
        assert_refused(api, come_back(visitor, provider), 403, "owner_signs_in_alone")


def test_two_first_sign_ins_at_once_link_one_identity(api, provider, dev):
    with api.visitor() as one, api.visitor() as two, ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda visitor: come_back(visitor, provider), (one, two)))
    assert [each.status_code for each in answers] == [303, 303], [each.text for each in answers]
    assert len(api.database.rows("SELECT * FROM external_identities")) == 1


def test_an_answer_in_another_providers_name_is_refused(api, provider, dev):
    with api.visitor() as visitor:
        for issuer, status in ((provider.issuer, 303), ("https://evil.test", 401)):
            state, code = provider.authorize(visitor.get(START).headers["location"])
            answer = visitor.get(CALLBACK, params={"state": state, "code": code, "iss": issuer})
            assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "endpoint",
    [
        "javascript:alert(1)",
        "http://127.0.0.1/a\r\nset-cookie: a=b",
        "http://127.0.0.1/\u20ac",
        "http://127.0.0.1/\ud800",
        "http://127.0.0.1/#",
        "",
        7,
    ],
    ids=repr,
)
def test_an_authorization_endpoint_that_is_no_address_sends_nobody_there(api, provider, dev, endpoint):
    provider.discovery = {"authorization_endpoint": endpoint}
    answer = api.client.get(START)
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")


@pytest.mark.parametrize(
    "broken",
    [
        {"kty": "RSA"},
        {"kty": ["RSA"]},
        {"kty": "RSA", "n": 5, "e": "AQAB"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "n": "", "e": ""},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "oct", "k": "c2VjcmV0"},
        "RSA",
        None,
    ],
    ids=repr,
)
def test_a_published_key_that_is_none_refuses_the_sign_in(api, provider, dev, broken):
    kid = {"kid": provider.keys[0].key_id}
    provider.published = [broken | kid if isinstance(broken, dict) else broken]
    with api.visitor() as visitor:
        assert_refused(api, come_back(visitor, provider), 401, "oidc_refused")


@pytest.mark.parametrize(
    "issuer",
    ["http://[", "https://", "ftp://a.test", "https://a.test?x", "https://a.test#x", "https://u@a.test", "https://a:b"],
)
def test_an_issuer_that_is_no_plain_url_is_refused(api, provider, dev, issuer):
    shown = api.client.get(SETTING, headers=api.acme.admin)
    headers = {**api.acme.admin, "if-match": shown.headers["etag"]}
    answer = api.client.put(SETTING, headers=headers, json=draft(provider, issuer=issuer))
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_issuer")


def test_a_provider_signs_no_owner_in(api, provider, dev):
    provider.claims = {"email": api.acme.owner_email}
    with api.visitor() as visitor:
        assert_refused(api, come_back(visitor, provider), 403, "owner_signs_in_alone")


def test_groups_decide_the_role_at_each_sign_in(api, provider, dev):
    shown = api.client.get(SETTING, headers=api.acme.admin)
    roles = {"ops": "devops", "everybody": "read_only", "bosses": "admin"}
    headers = {**api.acme.admin, "if-match": shown.headers["etag"]}
    change = draft(provider, client_secret=None, role_by_group=roles, group_claim="teams")
    assert api.client.put(SETTING, headers=headers, json=change).status_code == 200
    with api.visitor() as visitor:
        for teams, role in ((["everybody", "ops"], "devops"), ("everybody", "read_only"), (["bosses"], "admin")):
            provider.claims["teams"] = teams
            assert come_back(visitor, provider).status_code == 303
            assert role_of(api, dev) == role
        provider.claims["teams"] = ["others"]
        assert_refused(api, come_back(visitor, provider), 403, "no_role")
        assert role_of(api, dev) == "admin"
    actions = api.database.rows("SELECT actor_label FROM audit_log WHERE action = 'member.changed'")
    assert [row["actor_label"] for row in actions] == [f"identity provider {provider.issuer}"] * 3


def test_a_provider_that_speaks_for_another_issuer_is_not_believed(api, provider, dev):
    provider.discovery = {"issuer": "https://login.example.test"}
    answer = api.client.get(START)
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")


def test_a_provider_in_our_own_network_is_not_reached(api, provider, dev):
    setting = draft(provider, issuer="http://10.0.0.1:8400")
    shown = api.client.get(SETTING, headers=api.acme.admin)
    headers = {**api.acme.admin, "if-match": shown.headers["etag"]}
    assert api.client.put(SETTING, headers=headers, json=setting).status_code == 200
    assert api.client.get(START).json()["code"] == "provider_unavailable"


def test_the_setting_is_guarded(api, provider, dev):
    key = api.acme.key_with("organization:read", "organization:write")
    shown = api.client.get(SETTING, headers=key)
    assert provider.client_secret not in shown.text
    tagged = {**key, "if-match": shown.headers["etag"]}
    weak = api.client.put(SETTING, headers=tagged, json=draft(provider))
    assert (weak.status_code, weak.json()["code"]) == (403, "grant_exceeds_grantor")
    assert api.client.delete(SETTING, headers=tagged).status_code == 403
    assert api.client.put(SETTING, headers=api.acme.admin, json=draft(provider)).status_code == 428
    admin = {**api.acme.admin, "if-match": shown.headers["etag"]}
    moved = api.client.put(SETTING, headers=admin, json=draft(provider, issuer="https://evil.test", client_secret=None))
    assert moved.json()["code"] == "client_secret_missing"
    owner = api.client.put(SETTING, headers=admin, json=draft(provider, role_by_group={"x": "owner"}))
    assert owner.json()["code"] == "bad_role_map"
    assert api.client.get("/api/v1/orgs/globex/identity-provider", headers=api.globex.admin).status_code == 404
    assert api.client.get("/api/v1/auth/oidc/globex/start").status_code == 404
    assert api.client.get("/api/v1/auth/oidc/nowhere/start").status_code == 404
    assert provider.client_secret not in repr(api.database.rows("SELECT * FROM audit_log"))
    assert provider.client_secret.encode() not in repr(api.database.rows("SELECT * FROM identity_providers")).encode()
    assert api.client.delete(SETTING, headers=admin).status_code == 204
    assert api.client.get(START).status_code == 404


def test_a_provider_that_is_switched_off_signs_nobody_in(api, provider, dev):
    with api.visitor() as visitor:
        state, code = provider.authorize(visitor.get(START).headers["location"])
        shown = api.client.get(SETTING, headers=api.acme.admin)
        headers = {**api.acme.admin, "if-match": shown.headers["etag"]}
        off = draft(provider, client_secret=None, is_enabled=False)
        assert api.client.put(SETTING, headers=headers, json=off).status_code == 200
        assert_refused(api, visitor.get(CALLBACK, params={"state": state, "code": code}), 403, "oidc_disabled")
        assert visitor.get(START).status_code == 404

"""Roles, teams, service accounts and explanations, as their users see them."""

from uuid import uuid4

import pytest

from fixtures.api import ApiWorld, Tenant, bearer

PAYMENTS = {"team": "payments"}


def permission(name: str, **labels: str) -> dict[str, object]:
    resource, _, action = name.partition(":")
    return {"resource": resource, "action": action, "labels": labels}


def post(api: ApiWorld, path: str, body: dict[str, object], headers=None, status: int = 201):
    answer = api.client.post(api.acme.path + path, json=body, headers=headers or api.acme.admin)
    assert answer.status_code == status, answer.text
    return answer.json()


def get(api: ApiWorld, path: str, headers, status: int = 200):
    answer = api.client.get(api.acme.path + path, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def a_role(api: ApiWorld, *permissions: dict[str, object], parent: str | None = None) -> str:
    return post(api, "/roles", {"name": uuid4().hex, "permissions": list(permissions), "parent": parent})["id"]


def an_account(api: ApiWorld, *roles: str) -> str:
    account = post(api, "/service-accounts", {"name": uuid4().hex})["id"]
    for role in roles:
        post(api, "/role-assignments", {"subject": f"service_account:{account}", "role": role})
    return account


def a_key(api: ApiWorld, account: str, *scopes: str) -> tuple[str, dict[str, str]]:
    key = post(api, "/api-keys", {"name": "k", "scopes": list(scopes), "service_account_id": account})
    return key["id"], bearer(key["token"])


def scoped_caller(api: ApiWorld, *permissions: dict[str, object]) -> dict[str, str]:
    return a_key(api, an_account(api, a_role(api, *permissions)), "admin")[1]


def explained(api: ApiWorld, query: str, headers=None):
    return get(api, f"/access/explain?{query}", headers or api.acme.admin)


def test_a_role_lives_from_being_made_to_being_deleted(shared_api):
    parent = a_role(shared_api, permission("logs:read"))
    made = shared_api.client.post(
        f"{shared_api.acme.path}/roles",
        json={"name": "on call", "parent": parent, "permissions": [permission("alerts:write", **PAYMENTS)]},
        headers=shared_api.acme.admin,
    )
    role = made.json()
    assert role["effective_permissions"] == [permission("alerts:write", **PAYMENTS), permission("logs:read")]
    url, headers = f"{shared_api.acme.path}/roles/{role['id']}", shared_api.acme.admin
    changed = {"name": "on call", "parent": "read_only", "permissions": []}
    assert shared_api.client.put(url, json=changed, headers=headers).status_code == 428
    stale = {**headers, "if-match": made.headers["etag"]}
    put = shared_api.client.put(url, json=changed, headers=stale)
    assert put.status_code == 200
    assert permission("hosts:read") in put.json()["effective_permissions"]
    assert shared_api.client.put(url, json=changed, headers=stale).status_code == 412
    assert shared_api.client.delete(url, headers={**headers, "if-match": put.headers["etag"]}).status_code == 204
    assert shared_api.client.get(url, headers=headers).status_code == 404


def test_built_in_roles_are_listed_first_and_stay_as_they_are(shared_api):
    listed = get(shared_api, "/roles", shared_api.acme.admin)["items"]
    assert [each["id"] for each in listed[:5]] == ["owner", "admin", "devops", "developer", "read_only"]
    assert all(each["is_built_in"] for each in listed[:5])
    for method in ("PUT", "DELETE"):
        body = {"json": {"name": "x"}} if method == "PUT" else {}
        url = f"{shared_api.acme.path}/roles/admin"
        answer = shared_api.client.request(method, url, headers={**shared_api.acme.admin, "if-match": "*"}, **body)
        assert (answer.status_code, answer.json()["code"]) == (403, "role_built_in")


def test_a_circle_is_refused_with_its_way(shared_api):
    first = a_role(shared_api)
    second = a_role(shared_api, parent=first)
    answer = shared_api.client.put(
        f"{shared_api.acme.path}/roles/{first}",
        json={"name": uuid4().hex, "parent": second},
        headers={**shared_api.acme.admin, "if-match": "*"},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "role_cycle")


@pytest.mark.parametrize("resource", ["logs", "metrics", "webhooks", "members", "audit_log"])
def test_a_scope_that_could_not_be_honoured_is_refused(shared_api, resource):
    body = {"name": uuid4().hex, "permissions": [permission(f"{resource}:read", **PAYMENTS)]}
    problem = post(shared_api, "/roles", body, status=422)
    assert problem["code"] == "bad_role"
    assert problem["errors"][0]["pointer"] == "/permissions/0/labels"


def test_ids_of_another_organization_are_not_there(shared_api):
    role, account = a_role(shared_api), an_account(shared_api)
    team = post(shared_api, "/teams", {"name": uuid4().hex})["id"]
    globex, base = shared_api.globex, shared_api.globex.path
    match = {**globex.admin, "if-match": "*"}
    requests = [
        ("GET", f"/roles/{role}", None),
        ("PUT", f"/roles/{role}", {"name": "x"}),
        ("DELETE", f"/roles/{role}", None),
        ("POST", "/role-assignments", {"subject": f"user:{globex.owner_id}", "role": role}),
        ("POST", "/role-assignments", {"subject": f"team:{team}", "role": "developer"}),
        ("POST", "/role-assignments", {"subject": f"user:{shared_api.acme.owner_id}", "role": "developer"}),
        ("GET", f"/teams/{team}", None),
        ("GET", f"/teams/{team}/members", None),
        ("PUT", f"/teams/{team}/members/{globex.owner_id}", None),
        ("GET", f"/service-accounts/{account}", None),
        ("DELETE", f"/service-accounts/{account}", None),
        ("GET", f"/access/explain?permission=hosts:read&subject=user:{shared_api.acme.owner_id}", None),
        ("GET", f"/access/explain?permission=hosts:read&subject=service_account:{account}", None),
    ]
    for method, path, body in requests:
        answer = shared_api.client.request(method, base + path, headers=match, json=body)
        assert answer.status_code == 404, (method, path, answer.text)
    stolen = {"name": "k", "scopes": ["read"], "service_account_id": account}
    assert shared_api.client.post(f"{base}/api-keys", json=stolen, headers=globex.admin).status_code == 422


def test_a_key_of_an_account_does_what_both_allow_and_no_more(shared_api):
    reader = a_role(shared_api, permission("hosts:read"), permission("services:read"))
    account = an_account(shared_api, reader)
    key_id, key = a_key(shared_api, account, "hosts:read", "hosts:write")
    get(shared_api, "/hosts", key)
    assert get(shared_api, "/services", key, 403)["code"] == "permission_missing"  # not in the scopes
    post(shared_api, "/hosts", {"name": uuid4().hex}, key, status=403)  # not held by the account
    told = explained(shared_api, f"subject=api_key:{key_id}&permission=hosts:write")
    assert not told["is_allowed"]
    assert any("service account" in why for why in told["missing"])
    told = explained(shared_api, f"subject=api_key:{key_id}&permission=services:read")
    assert any("scopes" in why for why in told["missing"])


def test_what_an_account_loses_its_keys_lose_at_once(api):
    account = an_account(api, "read_only")
    _, key = a_key(api, account, "admin")
    get(api, "/hosts", key)
    (assignment,) = get(api, f"/role-assignments?subject=service_account:{account}", api.acme.admin)["items"]
    gone = api.client.delete(f"{api.acme.path}/role-assignments/{assignment['id']}", headers=api.acme.admin)
    assert gone.status_code == 204
    get(api, "/hosts", key, 403)


def test_keys_go_with_their_account(api):
    account = an_account(api, "read_only")
    _, key = a_key(api, account, "read")
    get(api, "/hosts", key)
    url = f"{api.acme.path}/service-accounts/{account}"
    assert api.client.delete(url, headers={**api.acme.admin, "if-match": "*"}).status_code == 204
    assert get(api, "/hosts", key, 401)["code"] == "bad_token"


def test_a_rotated_key_stays_its_accounts(shared_api):
    account = an_account(shared_api, a_role(shared_api, permission("hosts:read")))
    key_id, _ = a_key(shared_api, account, "hosts:read", "services:read")
    rotated = post(shared_api, f"/api-keys/{key_id}/rotate", {})
    assert rotated["service_account_id"] == account
    get(shared_api, "/services", bearer(rotated["token"]), 403)
    listed = get(shared_api, f"/api-keys?service_account_id={account}", shared_api.acme.admin)["items"]
    assert {each["id"] for each in listed} == {key_id, rotated["id"]}


def test_nobody_makes_an_account_a_key_with_more_than_they_hold(shared_api):
    """Though the account could not use it today: it may be given more, and then the maker has the key."""
    account = an_account(shared_api)
    weak = shared_api.acme.key_with("api_keys:write", "hosts:read")
    body = {"name": "k", "scopes": ["hosts:write"], "service_account_id": account}
    assert post(shared_api, "/api-keys", body, weak, status=403)["code"] == "grant_exceeds_grantor"


def test_hosts_and_services_outside_the_scope_are_not_there(shared_api):
    """Not in lists, not by id, not to be made, changed into or out of, or deleted."""
    for resource in ("hosts", "services"):
        caller = scoped_caller(
            shared_api, permission(f"{resource}:read", **PAYMENTS), permission(f"{resource}:write", **PAYMENTS)
        )
        names = {where: uuid4().hex for where in ("inside", "outside", "bare")}
        tags = {"inside": {**PAYMENTS, "env": "prod"}, "outside": {"team": "search"}, "bare": {}}
        ids = {
            where: post(shared_api, f"/{resource}", {"name": names[where], "tags": tags[where]})["id"]
            for where in names
        }
        listed = [each["id"] for each in get(shared_api, f"/{resource}", caller)["items"]]
        assert listed == [ids["inside"]]
        get(shared_api, f"/{resource}/{ids['inside']}", caller)
        base, match = f"{shared_api.acme.path}/{resource}", {**caller, "if-match": "*"}
        for where in ("outside", "bare"):
            get(shared_api, f"/{resource}/{ids[where]}", caller, 404)
            for method, body in (("PUT", {"name": "x", "tags": PAYMENTS}), ("PATCH", {}), ("DELETE", None)):
                answer = shared_api.client.request(method, f"{base}/{ids[where]}", headers=match, json=body)
                assert answer.status_code == 404, (method, answer.text)
            refused = post(shared_api, f"/{resource}", {"name": uuid4().hex, "tags": tags[where]}, caller, status=403)
            assert refused["code"] == "outside_scope"
            away = shared_api.client.patch(f"{base}/{ids['inside']}", json={"tags": tags[where]}, headers=match)
            assert (away.status_code, away.json()["code"]) == (403, "outside_scope")
        post(shared_api, f"/{resource}", {"name": uuid4().hex, "tags": PAYMENTS}, caller)
        kept = shared_api.client.patch(f"{base}/{ids['inside']}", json={"status": "up"}, headers=match)
        assert kept.status_code == 200
        assert shared_api.client.delete(f"{base}/{ids['inside']}", headers=match).status_code == 204


def test_who_reads_all_but_writes_some_is_refused_and_told_why(shared_api):
    caller = scoped_caller(shared_api, permission("hosts:read"), permission("hosts:write", **PAYMENTS))
    host = post(shared_api, "/hosts", {"name": uuid4().hex, "tags": {"team": "search"}})["id"]
    get(shared_api, f"/hosts/{host}", caller)
    answer = shared_api.client.delete(f"{shared_api.acme.path}/hosts/{host}", headers={**caller, "if-match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (403, "outside_scope")
    assert "team=payments" in answer.json()["detail"]


def test_dependencies_tell_nothing_of_services_outside_the_scope(shared_api):
    caller = scoped_caller(
        shared_api, permission("services:read", **PAYMENTS), permission("services:write", **PAYMENTS)
    )
    mine, theirs = (post(shared_api, "/services", {"name": uuid4().hex, "tags": tags})["id"] for tags in (PAYMENTS, {}))
    post(shared_api, f"/services/{mine}/dependencies", {"depends_on_id": theirs}, caller, status=404)
    post(shared_api, f"/services/{theirs}/dependencies", {"depends_on_id": mine}, caller, status=403)
    made = post(shared_api, f"/services/{mine}/dependencies", {"depends_on_id": theirs})
    seen = get(shared_api, f"/services/{mine}/dependencies", shared_api.acme.admin)
    assert made["id"] in str(seen)
    assert theirs not in str(get(shared_api, f"/services/{mine}/dependencies", caller))


def a_rule(**labels: str) -> dict[str, object]:
    return {
        "name": uuid4().hex,
        "condition": {"measurement": "m", "field": "value", "threshold": 1},
        "labels": labels,
    }


def test_rules_outside_the_scope_are_not_there(shared_api):
    caller = scoped_caller(
        shared_api, permission("alert_rules:read", **PAYMENTS), permission("alert_rules:write", **PAYMENTS)
    )
    outside = post(shared_api, "/alert-rules", a_rule(team="search"))["id"]
    inside = post(shared_api, "/alert-rules", a_rule(team="payments"), caller)["id"]
    assert [each["id"] for each in get(shared_api, "/alert-rules", caller)["items"]] == [inside]
    get(shared_api, f"/alert-rules/{outside}", caller, 404)
    post(shared_api, "/alert-rules", a_rule(), caller, status=403)
    url, match = f"{shared_api.acme.path}/alert-rules", {**caller, "if-match": "*"}
    assert shared_api.client.put(f"{url}/{inside}", json=a_rule(), headers=match).status_code == 403
    assert shared_api.client.put(f"{url}/{outside}", json=a_rule(**PAYMENTS), headers=match).status_code == 404
    assert shared_api.client.delete(f"{url}/{outside}", headers=match).status_code == 404
    assert shared_api.client.delete(f"{url}/{inside}", headers=match).status_code == 204


def an_alert(tenant: Tenant, api: ApiWorld, **labels: str) -> str:
    (row,) = api.database.rows(
        "INSERT INTO alerts (organization_id, fingerprint, labels, severity)"
        " SELECT %s, %s, jsonb_object(%s::text[], %s::text[]), 'warning' RETURNING id",
        tenant.organization_id,
        uuid4().hex,
        list(labels),
        list(labels.values()),
    )
    return str(row["id"])


def test_alerts_outside_the_scope_are_neither_seen_nor_taken(shared_api):
    caller = scoped_caller(shared_api, permission("alerts:read", **PAYMENTS), permission("alerts:write", **PAYMENTS))
    inside = an_alert(shared_api.acme, shared_api, team="payments", host="a")
    outside = an_alert(shared_api.acme, shared_api, team="search")
    assert [each["id"] for each in get(shared_api, "/alerts", caller)["items"]] == [inside]
    get(shared_api, f"/alerts/{outside}", caller, 404)
    for act in ("acknowledge", "resolve"):
        post(shared_api, f"/alerts/{outside}/{act}", {}, caller, status=403)
        post(shared_api, f"/alerts/{inside}/{act}", {}, caller, status=200)
    assert get(shared_api, f"/alerts/{outside}", shared_api.acme.admin)["status"] == "firing"


def test_a_team_gives_its_members_what_it_holds_and_takes_it_back(api):
    team = post(api, "/teams", {"name": "night"})["id"]
    role = a_role(api, permission("audit_log:read"))
    post(api, "/role-assignments", {"subject": f"team:{team}", "role": role})
    with api.as_member(api.acme, "developer") as member:
        me = member.get("/api/v1/me").json()
        path = f"{api.acme.path}/audit-log"
        assert member.get(path).status_code == 403
        url = f"{api.acme.path}/teams/{team}/members/{me['user']['id']}"
        assert api.client.put(url, headers=api.acme.admin).status_code == 204
        assert member.get(path).status_code == 200
        assert "audit_log:read" in member.get("/api/v1/me").json()["organizations"][0]["permissions"]
        told = explained(api, f"subject=user:{me['user']['id']}&permission=audit_log:read")
        (way,) = told["through"]
        assert (way["via"], way["team_name"], way["role"]) == ("team", "night", role)
        assert [each["user_id"] for each in get(api, f"/teams/{team}/members", api.acme.admin)["items"]] == [
            me["user"]["id"]
        ]
        assert api.client.delete(url, headers=api.acme.admin).status_code == 204
        assert member.get(path).status_code == 403


def test_a_member_with_assigned_roles_only_has_just_those(api):
    with api.as_member(api.acme, "custom") as member:
        me = member.get("/api/v1/me").json()
        assert me["organizations"][0]["permissions"] == []
        assert member.get(f"{api.acme.path}/hosts").status_code == 403
        role = a_role(api, permission("hosts:read", **PAYMENTS))
        post(api, "/role-assignments", {"subject": f"user:{me['user']['id']}", "role": role})
        assert member.get(f"{api.acme.path}/hosts").status_code == 200
        assert member.get(f"{api.acme.path}/services").status_code == 403
        scoped = member.get("/api/v1/me").json()["organizations"][0]["scoped_permissions"]
        assert scoped == [permission("hosts:read", **PAYMENTS)]


def test_a_member_is_made_one_of_assigned_roles_only(api):
    email = api.acme.member("developer", api.hasher)
    (listed,) = [each for each in get(api, "/members", api.acme.admin)["items"] if each["email"] == email]
    url, headers = f"{api.acme.path}/members/{listed['id']}", {**api.acme.admin, "if-match": "*"}
    assert api.client.patch(url, json={"role": "custom"}, headers=headers).status_code == 200
    told = explained(api, f"subject=user:{listed['user_id']}&permission=hosts:read")
    assert told["missing"] == ["no role of the member holds hosts:read"]


def test_an_explanation_names_the_way_and_what_is_missing(shared_api):
    upper = a_role(shared_api, permission("hosts:write", **PAYMENTS))
    account = an_account(shared_api, a_role(shared_api, parent=upper))
    asked = f"subject=service_account:{account}&permission=hosts:write"
    told = explained(shared_api, f"{asked}&label=team:payments&label=env:prod")
    assert told["is_allowed"]
    (way,) = told["through"]
    assert len(way["inherited"]) == 1
    assert way["labels"] == PAYMENTS
    for query in (asked, f"{asked}&label=team:search"):
        told = explained(shared_api, query)
        assert not told["is_allowed"]
        assert told["missing"] == ["hosts:write is held only where team=payments"]
    nothing = explained(shared_api, f"subject=service_account:{account}&permission=logs:read")
    assert "no role of the service account" in nothing["missing"][0]
    own = explained(shared_api, "permission=hosts:write")
    assert own["subject"].startswith("api_key:")
    assert own["is_allowed"]


@pytest.mark.parametrize("query", ["permission=hosts:burn", "permission=hosts:read&subject=nobody", "label=x"])
def test_what_cannot_be_explained_is_refused(shared_api, query):
    get(shared_api, f"/access/explain?{query}", shared_api.acme.admin, 422)

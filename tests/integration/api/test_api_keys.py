from datetime import timedelta

import pytest

from fixtures.api import bearer

KEYS = "/api/v1/orgs/acme/api-keys"


def create(world, **changes):
    draft = {"name": "deploys", "scopes": ["read"], **changes}
    return world.client.post(KEYS, json=draft, headers=world.acme.admin)


def use(world, token):
    return world.client.get("/api/v1/orgs/acme", headers=bearer(token))


def test_a_token_is_shown_once_and_works_under_every_scheme(api):
    made = create(api)
    assert made.status_code == 201, made.text
    token = made.json()["token"]
    assert use(api, token).status_code == 200
    assert api.client.get("/api/v1/me", auth=("anybody", token)).status_code == 200
    shown = api.client.get(f"{KEYS}/{made.json()['id']}", headers=api.acme.admin)
    assert shown.status_code == 200
    assert token not in shown.text
    assert token not in api.client.get(KEYS, headers=api.acme.admin).text


def test_the_database_cannot_give_a_token_away(api):
    token = create(api).json()["token"]
    secret = token.rpartition("_")[2]
    dump = str(api.database.rows("SELECT * FROM api_keys")) + str(api.database.rows("SELECT * FROM audit_log"))
    assert secret[:43] not in dump


@pytest.mark.parametrize("spoil", [lambda t: t[:-1] + ("a" if t[-1] != "a" else "b"), lambda t: t + "x", str.upper])
def test_a_spoiled_token_is_refused(shared_api, spoil):
    answer = use(shared_api, spoil(shared_api.acme.admin_key))
    assert answer.status_code == 401
    assert answer.json()["code"] == "bad_token"


def test_a_revoked_key_stops_at_once_and_stays_listed(api):
    made = create(api).json()
    assert api.client.delete(f"{KEYS}/{made['id']}", headers=api.acme.admin).status_code == 204
    answer = use(api, made["token"])
    assert answer.status_code == 401
    assert answer.json()["code"] == "token_revoked"
    assert api.client.delete(f"{KEYS}/{made['id']}", headers=api.acme.admin).status_code == 204
    shown = api.client.get(f"{KEYS}/{made['id']}", headers=api.acme.admin).json()
    assert shown["revoked_at"].endswith("Z")


def test_a_rotated_key_works_on_through_the_overlap_only(api):
    old = create(api).json()
    new = api.client.post(f"{KEYS}/{old['id']}/rotate", json={"overlap_hours": 2}, headers=api.acme.admin)
    assert new.status_code == 201, new.text
    assert use(api, new.json()["token"]).status_code == 200
    assert use(api, old["token"]).status_code == 200
    api.clock.advance(timedelta(hours=3))
    assert use(api, new.json()["token"]).status_code == 200
    assert use(api, old["token"]).json()["code"] == "token_expired"
    again = api.client.post(f"{KEYS}/{old['id']}/rotate", headers=api.acme.admin)
    assert again.status_code == 409


def test_a_key_expires(api):
    expires_at = (api.clock.now() + timedelta(hours=1)).isoformat()
    token = create(api, expires_at=expires_at).json()["token"]
    assert use(api, token).status_code == 200
    api.clock.advance(timedelta(hours=2))
    assert use(api, token).json()["code"] == "token_expired"


def test_a_rotated_key_lives_as_long_as_the_old_one_was_given(api):
    old = create(api, expires_at=(api.clock.now() + timedelta(hours=10)).isoformat()).json()
    api.clock.advance(timedelta(hours=9))
    new = api.client.post(f"{KEYS}/{old['id']}/rotate", headers=api.acme.admin).json()
    api.clock.advance(timedelta(hours=8))
    assert use(api, old["token"]).json()["code"] == "token_expired"
    assert use(api, new["token"]).status_code == 200


def test_nobody_grants_what_they_do_not_hold(shared_api):
    weak = shared_api.acme.key_with("api_keys:write", "hosts:read")
    refused = shared_api.client.post(KEYS, json={"name": "up", "scopes": ["admin"]}, headers=weak)
    assert refused.status_code == 403
    assert refused.json()["code"] == "grant_exceeds_grantor"
    granted = shared_api.client.post(KEYS, json={"name": "same", "scopes": ["hosts:read"]}, headers=weak)
    assert granted.status_code == 201
    admin_id = next(
        each["id"]
        for each in shared_api.client.get(KEYS, headers=shared_api.acme.admin).json()["items"]
        if each["scopes"] == ["admin"]
    )
    assert shared_api.client.post(f"{KEYS}/{admin_id}/rotate", headers=weak).status_code == 403


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "a\0b"}, "/name"),
        ({"name": "x" * 300}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["root"]}, "/scopes"),
        ({"environment": "Live_1"}, "/environment"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "/expires_at"),
        ({"misspelt": 1}, "/misspelt"),
    ],
)
def test_a_draft_that_cannot_be_is_refused_by_the_field(shared_api, changes, pointer):
    answer = create(shared_api, **changes)
    assert answer.status_code == 422, answer.text
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]


def test_another_organizations_key_cannot_be_seen_or_revoked(api):
    made = create(api).json()
    theirs = "/api/v1/orgs/globex/api-keys"
    for method, path in (("GET", made["id"]), ("DELETE", made["id"]), ("POST", f"{made['id']}/rotate")):
        answer = api.client.request(method, f"{theirs}/{path}", headers=api.globex.admin)
        assert answer.status_code == 404, answer.text
    assert use(api, made["token"]).status_code == 200


def test_each_change_leaves_an_audit_row_without_the_secret(api):
    made = create(api).json()
    api.client.delete(f"{KEYS}/{made['id']}", headers={**api.acme.admin, "x-request-id": "my-request-1"})
    rows = api.database.rows("SELECT * FROM audit_log WHERE target_id = %s ORDER BY id", made["id"])
    assert [row["action"] for row in rows] == ["api_key.created", "api_key.revoked"]
    assert rows[1]["request_id"] == "my-request-1"
    assert rows[1]["actor_kind"] == "api_key"
    assert rows[0]["organization_id"] == api.acme.organization_id


def test_use_is_remembered_at_most_once_a_minute(api):
    made = create(api).json()

    def last_used():
        return api.client.get(f"{KEYS}/{made['id']}", headers=api.acme.admin).json()["last_used_at"]

    assert last_used() is None
    use(api, made["token"])
    first = last_used()
    assert first is not None
    use(api, made["token"])
    assert last_used() == first
    api.clock.advance(timedelta(minutes=2))
    use(api, made["token"])
    assert last_used() > first


def test_lists_are_paged_to_the_end_without_doubles(api):
    made = {create(api, name=f"k{number}").json()["id"] for number in range(5)}
    seen, url = [], f"{KEYS}?limit=2"
    while url:
        answer = api.client.get(url, headers=api.acme.admin)
        seen += [each["id"] for each in answer.json()["items"]]
        url = answer.links.get("next", {}).get("url")
        assert (url is None) == (answer.json()["next_cursor"] is None)
    assert len(seen) == len(set(seen)) == 7
    assert made <= set(seen)
    assert seen == sorted(seen, reverse=True)


def test_a_cursor_of_another_organization_or_list_is_refused(api):
    for number in range(3):
        create(api, name=f"k{number}")
    cursor = api.client.get(KEYS, params={"limit": 1}, headers=api.acme.admin).json()["next_cursor"]
    theirs = api.client.get("/api/v1/orgs/globex/api-keys", params={"cursor": cursor}, headers=api.globex.admin)
    for answer in (theirs, api.client.get(KEYS, params={"cursor": cursor[:-2] + "AA"}, headers=api.acme.admin)):
        assert answer.status_code == 422
        assert answer.json()["code"] == "bad_cursor"
    for nonsense in ("x", "ä", "AAAA", "=" * 9):
        assert api.client.get(KEYS, params={"cursor": nonsense}, headers=api.acme.admin).status_code == 422


def test_the_other_organization_stays_unmoved(api):
    def theirs():
        return api.database.rows("SELECT * FROM api_keys WHERE organization_id = %s", api.globex.organization_id)

    before = theirs()
    made = create(api).json()
    api.client.post(f"{KEYS}/{made['id']}/rotate", headers=api.acme.admin)
    api.client.delete(f"{KEYS}/{made['id']}", headers=api.acme.admin)
    assert theirs() == before


def test_a_key_is_renamed_and_confined_by_those_who_saw_its_newest_version_alone(api):
    made = create(api)
    path = f"{KEYS}/{made.json()['id']}"
    tag = api.client.get(path, headers=api.acme.admin).headers["etag"]
    assert tag == made.headers["etag"]
    unseen = api.client.patch(path, json={"name": "agents"}, headers=api.acme.admin)
    assert unseen.status_code == 428
    change = {"allowed_networks": ["10.1.2.3/8"]}
    refused = api.client.patch(path, json=change, headers={**api.acme.admin, "if-match": tag})
    assert refused.json()["errors"][0]["pointer"] == "/allowed_networks/0"
    change = {"name": "agents", "allowed_networks": ["203.0.113.0/24"]}
    changed = api.client.patch(path, json=change, headers={**api.acme.admin, "if-match": tag})
    assert (changed.status_code, changed.json()["name"], changed.json()["version"]) == (200, "agents", 2)
    assert changed.json()["scopes"] == made.json()["scopes"]
    assert use(api, made.json()["token"]).json()["code"] == "address_not_allowed"
    late = api.client.patch(path, json={"allowed_networks": []}, headers={**api.acme.admin, "if-match": tag})
    assert late.status_code == 412
    newest = {**api.acme.admin, "if-match": changed.headers["etag"]}
    assert api.client.patch(path, json={"allowed_networks": []}, headers=newest).json()["name"] == "agents"
    assert use(api, made.json()["token"]).status_code == 200


def test_nobody_widens_the_reach_of_a_key_that_can_do_more_than_they_can(api):
    strong = create(api, scopes=["admin"], allowed_networks=["203.0.113.0/24"]).json()
    weak = api.acme.key_with("api_keys:write", "hosts:read")
    change = {"allowed_networks": []}
    answer = api.client.patch(f"{KEYS}/{strong['id']}", json=change, headers={**weak, "if-match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (403, "grant_exceeds_grantor")


def test_a_revoked_key_is_changed_no_more(api):
    made = create(api).json()
    api.client.delete(f"{KEYS}/{made['id']}", headers=api.acme.admin)
    answer = api.client.patch(
        f"{KEYS}/{made['id']}", json={"name": "again"}, headers={**api.acme.admin, "if-match": "*"}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "key_ended")

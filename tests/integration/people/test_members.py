"""Members come, change and go; an organization always keeps an owner."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from integration.people.people_world import audited, members_of, signed_in


def code_of(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def member_path(world, tenant, email) -> str:
    return f"{tenant.path}/members/{members_of(world, tenant)[email]['id']}"


def change_role(world, tenant, email, role, headers=None, client=None):
    return (client or world.client).patch(
        member_path(world, tenant, email),
        json={"role": role},
        headers={"if-match": "*", **(tenant.admin if headers is None else headers)},
    )


def test_members_are_listed_with_what_people_need_to_know(api):
    email = api.acme.member("developer", api.hasher)
    with signed_in(api, email):
        member = members_of(api, api.acme)[email]
    assert member["role"] == "developer"
    assert member["last_login_at"] is not None
    assert set(members_of(api, api.globex)) == {api.globex.owner_email}
    one = api.client.get(f"{api.acme.path}/members/{member['id']}", headers=api.acme.admin)
    assert one.json() == member
    filtered = api.client.get(f"{api.acme.path}/members?role=owner", headers=api.acme.admin).json()["items"]
    assert [item["email"] for item in filtered] == [api.acme.owner_email]


def test_pages_of_members_join_up(api):
    emails = {api.acme.member("developer", api.hasher) for _ in range(5)} | {api.acme.owner_email}
    seen, url = [], f"{api.acme.path}/members?limit=2"
    while url:
        answer = api.client.get(url, headers=api.acme.admin)
        seen += [item["email"] for item in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
        url = f"{api.acme.path}/members?limit=2&cursor={cursor}" if cursor else None
    assert sorted(seen) == sorted(emails)


def test_a_role_change_works_at_once_and_is_audited(api):
    email = api.acme.member("read_only", api.hasher)
    with signed_in(api, email) as member:
        assert member.post("/api/v1/orgs/acme/hosts", json={"name": "web1"}).status_code == 403
        answer = change_role(api, api.acme, email, "devops")
        assert (answer.status_code, answer.json()["role"]) == (200, "devops")
        assert member.post("/api/v1/orgs/acme/hosts", json={"name": "web1"}).status_code == 201
    (row,) = audited(api, api.acme, "member.changed")
    assert (row["before"]["role"], row["after"]["role"]) == ("read_only", "devops")
    events = api.database.rows("SELECT payload FROM outbox WHERE kind = 'member.changed'")
    assert [event["payload"]["role"] for event in events] == ["devops"]


def test_a_change_needs_the_version_it_changes(api):
    email = api.acme.member("read_only", api.hasher)
    path = member_path(api, api.acme, email)
    assert api.client.patch(path, json={"role": "devops"}, headers=api.acme.admin).status_code == 428
    tag = api.client.get(path, headers=api.acme.admin).headers["etag"]
    headers = {**api.acme.admin, "if-match": tag}
    assert api.client.patch(path, json={"role": "devops"}, headers=headers).status_code == 200
    assert api.client.patch(path, json={"role": "admin"}, headers=headers).status_code == 412
    assert api.client.delete(path, headers=headers).status_code == 412


def test_an_admin_neither_makes_nor_touches_an_owner(api):
    other = api.acme.member("owner", api.hasher)
    developer = api.acme.member("developer", api.hasher)
    with api.as_member(api.acme, "admin") as admin:
        for answer in (
            change_role(api, api.acme, developer, "owner", {}, admin),
            change_role(api, api.acme, other, "developer", {}, admin),
            admin.delete(member_path(api, api.acme, other), headers={"if-match": "*"}),
        ):
            assert code_of(answer) == (403, "grant_exceeds_grantor")
        assert change_role(api, api.acme, developer, "admin", {}, admin).status_code == 200
    assert members_of(api, api.acme)[other]["role"] == "owner"


def test_the_last_owner_is_neither_removed_nor_demoted_and_hears_why(api):
    path = member_path(api, api.acme, api.acme.owner_email)
    demoted = change_role(api, api.acme, api.acme.owner_email, "admin")
    removed = api.client.delete(path, headers={**api.acme.admin, "if-match": "*"})
    with signed_in(api, api.acme.owner_email) as owner:
        left = owner.delete(f"/api/v1/me/organizations/{api.acme.organization_id}")
    for answer in (demoted, removed, left):
        assert code_of(answer) == (409, "last_owner")
        assert "last owner" in answer.json()["detail"]
        assert "owner" in answer.json()["hint"]
    assert members_of(api, api.acme)[api.acme.owner_email]["role"] == "owner"


def test_of_the_last_two_owners_who_leave_at_once_one_stays(api):
    other = api.acme.member("owner", api.hasher)
    url = f"/api/v1/me/organizations/{api.acme.organization_id}"
    with ExitStack() as stack:
        owners = [stack.enter_context(signed_in(api, email)) for email in (api.acme.owner_email, other)]
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda owner: owner.delete(url), owners))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert [member["role"] for member in members_of(api, api.acme).values()] == ["owner"]


@pytest.mark.parametrize("attempt", range(5))
def test_of_two_owners_who_demote_and_remove_each_other_at_once_one_stays(api, attempt):
    other = api.acme.member("owner", api.hasher)
    paths = {email: member_path(api, api.acme, email) for email in (api.acme.owner_email, other)}
    with signed_in(api, other) as second, signed_in(api, api.acme.owner_email) as first, ThreadPoolExecutor(2) as pool:
        demote = pool.submit(first.patch, paths[other], json={"role": "admin"}, headers={"if-match": "*"})
        remove = pool.submit(second.delete, paths[api.acme.owner_email], headers={"if-match": "*"})
        statuses = [demote.result().status_code, remove.result().status_code]
    assert 500 not in statuses
    assert "owner" in {member["role"] for member in members_of(api, api.acme).values()}


def test_whoever_leaves_is_out_at_once_and_keeps_their_account(api):
    email = api.acme.member("admin", api.hasher)
    url = f"/api/v1/me/organizations/{api.acme.organization_id}"
    with signed_in(api, email) as member:
        assert member.delete(url).status_code == 204
        assert member.get("/api/v1/orgs/acme").status_code == 404
        assert member.get("/api/v1/me").json()["organizations"] == []
        assert member.delete(url).status_code == 404
        assert member.delete(f"/api/v1/me/organizations/{api.globex.organization_id}").status_code == 404
    (row,) = audited(api, api.acme, "member.left")
    assert (row["actor_label"], row["before"]["role"]) == (email, "admin")


def test_a_removed_member_is_out_at_once(api):
    email = api.acme.member("admin", api.hasher)
    with signed_in(api, email) as member:
        path = member_path(api, api.acme, email)
        answer = api.client.delete(path, headers={**api.acme.admin, "if-match": "*"})
        assert answer.status_code == 204
        assert member.get("/api/v1/orgs/acme/members").status_code == 404
    assert email not in members_of(api, api.acme)
    assert len(audited(api, api.acme, "member.removed")) == 1
    assert len(api.database.rows("SELECT FROM users WHERE email = %s", email)) == 1


def test_ownership_is_handed_over_in_one_step(api):
    email = api.acme.member("developer", api.hasher)
    path = f"{member_path(api, api.acme, email)}/transfer-ownership"
    assert code_of(api.client.post(path, headers=api.acme.admin)) == (403, "not_an_owner")
    with api.as_member(api.acme, "admin") as admin:
        assert code_of(admin.post(path)) == (403, "grant_exceeds_grantor")
    with signed_in(api, api.acme.owner_email) as owner:
        own = f"{member_path(api, api.acme, api.acme.owner_email)}/transfer-ownership"
        assert code_of(owner.post(own)) == (409, "already_owner")
        answer = owner.post(path)
        assert answer.status_code == 200, answer.text
        assert code_of(owner.post(path))[0] == 403
    roles = {name: member["role"] for name, member in members_of(api, api.acme).items()}
    assert (roles[email], roles[api.acme.owner_email]) == ("owner", "admin")


def test_a_member_of_another_organization_is_not_there(api):
    theirs = members_of(api, api.globex)[api.globex.owner_email]["id"]
    path = f"{api.acme.path}/members/{theirs}"
    headers = {**api.acme.admin, "if-match": "*"}
    assert api.client.get(path, headers=headers).status_code == 404
    assert api.client.patch(path, json={"role": "read_only"}, headers=headers).status_code == 404
    assert api.client.delete(path, headers=headers).status_code == 404
    assert api.client.post(f"{path}/transfer-ownership", headers=headers).status_code == 404
    assert members_of(api, api.globex)[api.globex.owner_email]["role"] == "owner"

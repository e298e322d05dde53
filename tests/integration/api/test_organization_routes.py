import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from fixtures.api import PASSWORD
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Actor, ActorKind, Context
from strata_core.organizations.operating import resume_organization, suspend_organization
from strata_datamodel.errors import ConflictError, DeniedError

ORG = "/api/v1/orgs/acme"


def change(world, body, tag):
    headers = world.acme.admin if tag is None else {**world.acme.admin, "if-match": tag}
    return world.client.patch(ORG, json=body, headers=headers)


def tag_of(world):
    return world.client.get(ORG, headers=world.acme.admin).headers["etag"]


def test_an_organization_is_found_by_slug_and_by_id(shared_api):
    by_slug = shared_api.client.get(ORG, headers=shared_api.acme.admin)
    by_id = shared_api.client.get(f"/api/v1/orgs/{shared_api.acme.organization_id}", headers=shared_api.acme.admin)
    assert by_slug.json() == by_id.json()
    assert by_slug.json()["id"] == str(shared_api.acme.organization_id)


@pytest.mark.parametrize("name", ["%00", "ACME", "a" * 300, "..%2F", "acme%20", "%F0%9F%98%80"])
def test_a_name_that_cannot_be_is_not_found(shared_api, name):
    assert shared_api.client.get(f"/api/v1/orgs/{name}", headers=shared_api.acme.admin).status_code == 404


def test_a_change_needs_the_version_it_changes(api):
    missing = change(api, {"name": "New"}, None)
    assert (missing.status_code, missing.json()["code"]) == (428, "if_match_required")
    tag = tag_of(api)
    changed = change(api, {"name": "New"}, tag)
    assert changed.status_code == 200, changed.text
    assert changed.json()["name"] == "New"
    assert changed.headers["etag"] == tag_of(api) != tag
    stale = change(api, {"name": "Newer"}, tag)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert api.client.get(ORG, headers=api.acme.admin).json()["name"] == "New"


def test_another_organizations_tag_matches_nothing_here(api):
    theirs = api.client.get("/api/v1/orgs/globex", headers=api.globex.admin).headers["etag"]
    assert change(api, {"name": "New"}, theirs).status_code == 412
    assert change(api, {"name": "New"}, f"W/{tag_of(api)}").status_code == 412
    assert change(api, {"name": "New"}, "*").status_code == 200


def test_of_two_changes_to_one_version_one_wins(api):
    tag = tag_of(api)
    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(lambda n: change(api, {"name": f"n{n}"}, tag).status_code, range(6)))
    assert statuses == [200, 412, 412, 412, 412, 412]


def test_an_unchanged_organization_is_not_sent_again(shared_api):
    tag = tag_of(shared_api)
    again = shared_api.client.get(ORG, headers={**shared_api.acme.admin, "if-none-match": f'"x", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_a_change_is_audited_and_told(api):
    change(api, {"settings": {"theme": "dark"}, "billing_reference": "B-1"}, tag_of(api))
    audit = api.database.rows("SELECT * FROM audit_log WHERE action = 'organization.changed'")
    assert audit[0]["before"] == {"settings": {}, "billing_reference": None}
    assert audit[0]["after"] == {"settings": {"theme": "dark"}, "billing_reference": "B-1"}
    events = api.database.rows("SELECT payload FROM outbox WHERE kind = 'organization.changed'")
    assert [event["payload"] for event in events] == [{"fields": ["billing_reference", "settings"]}]


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "   "},
        {"name": 5},
        {"settings": []},
        {"settings": {"unknown": 1}},
        {"settings": {"theme": "pink"}},
        {"settings": {"timezone": "Mars/Olympus"}},
        {"settings": {"labels": {"Not a label!": "x"}}},
        {"settings": {"labels": {"a": 5}}},
        {"settings": {"a": "\0"}},
        {"settings": {"a": "x" * 20_000}},
        {"settings": {"a": float("inf")}},
        {"slug": "other"},
    ],
)
def test_what_an_organization_cannot_be_is_refused(shared_api, body):
    answer = shared_api.client.patch(
        ORG,
        content=json.dumps(body),
        headers={**shared_api.acme.admin, "if-match": "*", "content-type": "application/json"},
    )
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith("/")


def test_a_suspended_organization_is_closed_to_everybody(api):
    api.database.run("UPDATE organizations SET status = 'suspended' WHERE slug = 'acme'")
    answer = api.client.get(ORG, headers=api.acme.admin)
    assert (answer.status_code, answer.json()["code"]) == (403, "organization_suspended")
    assert api.client.get("/api/v1/orgs/globex", headers=api.globex.admin).status_code == 200


def test_signing_in_says_that_every_organization_of_a_person_is_closed(api):
    login = {"email": api.acme.owner_email, "password": PASSWORD}
    api.database.run("UPDATE organizations SET status = 'suspended' WHERE slug = 'acme'")
    with api.visitor() as visitor:
        refused = visitor.post("/api/v1/auth/login", json=login)
        assert (refused.status_code, refused.json()["code"]) == (403, "organization_suspended")
        assert not visitor.cookies
        theirs = {"email": api.globex.owner_email, "password": PASSWORD}
        assert visitor.post("/api/v1/auth/login", json=theirs).status_code == 200
        api.database.run("UPDATE organizations SET status = 'active' WHERE slug = 'acme'")
        assert visitor.post("/api/v1/auth/login", json=login).status_code == 200


def test_an_operator_suspends_and_resumes_and_nobody_else(api):
    ctx = Context(api.acme.organization_id, Actor(ActorKind.SYSTEM, None, "operator"), PERMISSIONS, "test")
    somebody = Context(api.acme.organization_id, Actor(ActorKind.USER, api.acme.owner_id, "o"), PERMISSIONS, "test")
    units = api.acme.system_units
    with pytest.raises(DeniedError), units.organization(api.acme.organization_id) as uow:
        suspend_organization(somebody, uow, reason="")
    with units.organization(api.acme.organization_id) as uow:
        assert suspend_organization(ctx, uow, reason="unpaid").status == "suspended"
        assert suspend_organization(ctx, uow, reason="again").status == "suspended"
    with units.organization(api.acme.organization_id) as uow:
        assert resume_organization(ctx, uow).status == "active"
    audit = api.database.rows("SELECT after FROM audit_log WHERE action = 'organization.status_changed' ORDER BY id")
    assert [row["after"] for row in audit] == [
        {"status": "suspended", "reason": "unpaid"},
        {"status": "active", "reason": ""},
    ]
    api.database.run("UPDATE organizations SET status = 'deleting' WHERE slug = 'acme'")
    with pytest.raises(ConflictError), units.organization(api.acme.organization_id) as uow:
        resume_organization(ctx, uow)

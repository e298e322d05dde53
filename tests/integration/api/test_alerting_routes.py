"""Rules, alerts and webhooks as callers meet them."""

from uuid import UUID, uuid4

import pytest

from fixtures.api import ApiWorld, Tenant
from strata_core.access.permissions import PERMISSIONS
from strata_core.alerting.commands import open_alert
from strata_core.context import Actor, ActorKind, Context

RULES = "/api/v1/orgs/acme/alert-rules"
ALERTS = "/api/v1/orgs/acme/alerts"
WEBHOOKS = "/api/v1/orgs/acme/webhooks"
CONDITION = {"measurement": "cpu", "field": "usage", "aggregate": "avg", "comparison": ">", "threshold": 90}


def send(api: ApiWorld, method: str, path: str, tag: str = "*", *, by: Tenant | None = None, **options):
    headers = {**(by or api.acme).admin, "if-match": tag}
    return api.client.request(method, path, headers=headers, **options)


def fired(api: ApiWorld, tenant: Tenant, severity: str = "critical") -> str:
    """An alert of no rule, as the evaluator opens them."""
    ctx = Context(tenant.organization_id, Actor(ActorKind.SYSTEM, None, "evaluator"), PERMISSIONS, "test")
    with tenant.system_units.organization(tenant.organization_id) as uow:
        return str(open_alert(ctx, uow, {"fingerprint": uuid4().hex, "severity": severity, "summary": "cpu"}))


def refused_at(answer) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [problem["pointer"] for problem in answer.json()["errors"]]


def test_a_webhook_lives_through_its_changes_and_shows_its_secret_once(api):
    form = {"name": "pager", "url": "https://hooks.example/x"}
    made = api.client.post(WEBHOOKS, json=form, headers=api.acme.admin)
    assert made.json()["secret"].startswith("whsec_")
    path = f"{WEBHOOKS}/{made.json()['id']}"
    found = api.client.get(path, headers=api.acme.admin)
    assert "secret" not in found.json()
    changed = send(api, "PUT", path, found.headers["etag"], json={**form, "event_kinds": ["alert.fired"]})
    assert (changed.status_code, changed.json()["event_kinds"]) == (200, ["alert.fired"])
    assert send(api, "DELETE", path, found.headers["etag"]).status_code == 412
    assert send(api, "DELETE", path, changed.headers["etag"]).status_code == 204
    assert api.client.get(path, headers=api.acme.admin).status_code == 404
    rows = api.database.rows("SELECT action, after FROM audit_log WHERE target_kind = 'webhook' ORDER BY id")
    assert [row["action"] for row in rows] == ["webhook.create", "webhook.update", "webhook.delete"]
    assert made.json()["secret"] not in str(rows)


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1/",
        "http://example.com:99999/",
        "ftp://example.com/",
        "https://",
        "https://user:password@example.com/",
        "https://@example.com/",
        "https://example.com/a b",
    ],
)
def test_a_url_that_no_message_can_be_sent_to_is_refused_at_once(shared_api, url):
    answer = shared_api.client.post(WEBHOOKS, json={"name": "pager", "url": url}, headers=shared_api.acme.admin)
    assert refused_at(answer) == ["/url"]
    assert "password" not in answer.text


def test_a_rule_lives_through_its_changes(api):
    form = {"name": "cpu", "condition": CONDITION, "interval_s": 30, "labels": {"team": "core"}}
    made = api.client.post(RULES, json=form, headers=api.acme.admin)
    assert made.status_code == 201, made.text
    path = f"{RULES}/{made.json()['id']}"
    changed = send(api, "PUT", path, made.headers["etag"], json={**form, "severity": "info"})
    assert (changed.json()["severity"], changed.json()["version"]) == ("info", 2)
    assert send(api, "PUT", path, made.headers["etag"], json=form).status_code == 412
    assert send(api, "DELETE", path, changed.headers["etag"]).status_code == 204
    assert api.client.get(RULES, headers=api.acme.admin).json()["items"] == []


def test_a_rule_has_its_threshold_in_itself_or_in_a_field_and_never_in_both(api):
    neither = {name: value for name, value in CONDITION.items() if name != "threshold"}
    sent = {**neither, "threshold_field": "threshold_critical"}
    for condition in (neither, {**sent, "threshold": 90}):
        answer = api.client.post(RULES, json={"name": "cpu", "condition": condition}, headers=api.acme.admin)
        assert refused_at(answer) == ["/condition/threshold"]
    made = api.client.post(RULES, json={"name": "cpu", "condition": sent}, headers=api.acme.admin)
    assert made.status_code == 201, made.text
    shown = made.json()["condition"]
    assert (shown["threshold"], shown["threshold_field"]) == (None, "threshold_critical")
    form = {"name": "cpu", "condition": {**CONDITION, "threshold": 0}}
    changed = send(api, "PUT", f"{RULES}/{made.json()['id']}", made.headers["etag"], json=form).json()["condition"]
    assert (changed["threshold"], changed["threshold_field"]) == (0, None)


def test_a_rule_that_could_not_work_is_refused_with_the_place(shared_api):
    form = {"name": "cpu", "condition": {**CONDITION, "group_by": ["host", "host"]}}
    answer = shared_api.client.post(RULES, json=form, headers=shared_api.acme.admin)
    assert refused_at(answer) == ["/condition"]


def test_a_pattern_that_the_store_does_not_know_is_refused_by_its_place(api):
    good, bad = ({"tag": "host", "op": "=~", "values": [pattern]} for pattern in ("^web-[0-9]+$", "web-(["))
    form = {"name": "cpu", "condition": {**CONDITION, "filters": [good, bad, {**bad, "op": "!~"}]}}
    answer = api.client.post(RULES, json=form, headers=api.acme.admin)
    assert refused_at(answer) == ["/condition/filters/1/values", "/condition/filters/2/values"]
    assert "not a regex" in answer.json()["errors"][0]["detail"]
    kept = {**form, "condition": {**CONDITION, "filters": [good]}}
    made = api.client.post(RULES, json=kept, headers=api.acme.admin)
    assert made.status_code == 201, made.text
    changed = send(api, "PUT", f"{RULES}/{made.json()['id']}", json=form)
    assert refused_at(changed) == refused_at(answer)
    assert len(api.client.get(RULES, headers=api.acme.admin).json()["items"]) == 1


def test_alerts_are_filtered_and_paged_newest_first(api):
    ids = [fired(api, api.acme, severity) for severity in ("info", "critical", "critical")]
    fired(api, api.globex)
    first = api.client.get(ALERTS, params={"limit": 2}, headers=api.acme.admin).json()
    rest = api.client.get(ALERTS, params={"limit": 2, "cursor": first["next_cursor"]}, headers=api.acme.admin).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None
    critical = api.client.get(ALERTS, params={"severity": "critical"}, headers=api.acme.admin).json()["items"]
    assert [item["id"] for item in critical] == [ids[2], ids[1]]
    assert api.client.get(ALERTS, params={"status": "resolved"}, headers=api.acme.admin).json()["items"] == []


def test_an_alert_is_taken_and_resolved_by_its_organization_alone(api):
    alert_id = fired(api, api.acme)
    for step in ("acknowledge", "resolve"):
        theirs = f"{api.globex.path}/alerts/{alert_id}/{step}"
        assert api.client.post(theirs, headers=api.globex.admin).status_code == 404
    taken = api.client.post(f"{ALERTS}/{alert_id}/acknowledge", headers=api.acme.admin).json()
    assert (taken["status"], taken["acknowledged_by"]) == ("acknowledged", "admin")
    resolved = api.client.post(f"{ALERTS}/{alert_id}/resolve", headers=api.acme.admin).json()
    assert resolved["status"] == "resolved"
    assert api.client.post(f"{ALERTS}/{alert_id}/resolve", headers=api.acme.admin).json() == resolved
    again = api.client.post(f"{ALERTS}/{alert_id}/acknowledge", headers=api.acme.admin)
    assert (again.status_code, again.json()["code"]) == (409, "alert_resolved")


def test_sendings_of_a_webhook_are_shown_to_its_organization_alone(api):
    made = api.client.post(WEBHOOKS, json={"name": "p", "url": "https://hooks.example/x"}, headers=api.acme.admin)
    hook = UUID(made.json()["id"])
    for number in range(3):
        api.database.run(
            "INSERT INTO notifications (organization_id, outbox_id, webhook_id, event_kind, state, attempts)"
            " VALUES (%s, %s, %s, 'alert.fired', 'sent', %s)",
            *(api.acme.organization_id, uuid4(), hook, number),
        )
    path = f"{WEBHOOKS}/{hook}/notifications"
    first = api.client.get(path, params={"limit": 2}, headers=api.acme.admin).json()
    rest = api.client.get(path, params={"limit": 2, "cursor": first["next_cursor"]}, headers=api.acme.admin).json()
    assert sorted(item["attempts"] for item in first["items"] + rest["items"]) == [0, 1, 2]
    theirs = f"{api.globex.path}/webhooks/{hook}/notifications"
    assert api.client.get(theirs, headers=api.globex.admin).status_code == 404


def test_an_alert_that_changed_since_it_was_seen_is_not_acted_upon(api):
    path = f"{ALERTS}/{fired(api, api.acme)}"
    seen = api.client.get(path, headers=api.acme.admin)
    unchanged = api.client.get(path, headers={**api.acme.admin, "if-none-match": seen.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    taken = send(api, "POST", f"{path}/acknowledge", seen.headers["etag"])
    assert (taken.status_code, taken.json()["version"]) == (200, seen.json()["version"] + 1)
    late = send(api, "POST", f"{path}/resolve", seen.headers["etag"])
    assert (late.status_code, late.json()["code"]) == (412, "stale_version")
    assert api.client.get(path, headers=api.acme.admin).json()["status"] == "acknowledged"
    assert send(api, "POST", f"{path}/resolve", taken.headers["etag"]).json()["status"] == "resolved"


def test_a_tag_of_another_alert_does_not_match(api):
    mine, other = (f"{ALERTS}/{fired(api, api.acme)}" for _ in range(2))
    tag = api.client.get(other, headers=api.acme.admin).headers["etag"]
    assert send(api, "POST", f"{mine}/acknowledge", tag).status_code == 412

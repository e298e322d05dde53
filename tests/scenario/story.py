"""The thin path, told once for every mode: telemetry in, questions answered, a threshold crossed, a signed page out."""

import json
import time
from datetime import UTC, datetime, timedelta

from fakes.pager import WebhookReceiver
from scenario.processes import Tenant
from waiting import eventually

NS = 1_000_000_000


def rfc3339(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def tell(acme: Tenant, globex: Tenant, receiver: WebhookReceiver) -> None:
    points_come_back_as_they_were_sent(acme, globex)
    log_lines_are_found(acme, globex)
    hosts_appear_by_themselves(acme, globex)
    a_threshold_pages_and_resolves(acme, globex, receiver)
    alerts_are_found(acme, globex)
    alerts_are_measured(acme, globex)
    everything_was_audited_where_it_belongs(acme, globex)


def points_come_back_as_they_were_sent(acme: Tenant, globex: Tenant) -> None:
    start = int(time.time()) // 60 * 60 - 600
    lines = [f"system_metrics,host=web1,metric_type=cpu value={40 + n} {(start + 10 * n) * NS}" for n in range(6)]
    answer = acme.ingest.post("/api/v2/write?precision=ns", content="\n".join(lines))
    assert answer.status_code == 204, answer.text
    question = {
        "measurement": "system_metrics", "field": "value", "aggregate": "avg", "step": "60s", "group_by": ["host"],
        "filters": [{"tag": "metric_type", "op": "=", "value": "cpu"}],
        "from": rfc3339(datetime.fromtimestamp(start, UTC)),
        "to": rfc3339(datetime.fromtimestamp(start + 60, UTC)),
    }  # fmt: skip
    expected = [{"tags": {"host": "web1"}, "points": [[start * 1000, 42.5]]}]
    eventually(lambda: acme.query(**question)["series"] == expected, 30, what="the points by query")
    assert acme.query(**{**question, "aggregate": "count"})["series"][0]["points"] == [[start * 1000, 6]]
    assert acme.query(**question)["segments"][0]["tier"] == "raw"
    assert globex.query(**question)["series"] == []


def log_lines_are_found(acme: Tenant, globex: Tenant) -> None:
    now = datetime.now(UTC)
    document = {
        "@timestamp": rfc3339(now), "level": "error", "message": "Connection refused by upstream checkout-7",
        "host": "web1", "service": "checkout", "tags": {"team": "payments"}, "order": 4711,
    }  # fmt: skip
    body = json.dumps({"index": {"_index": "app"}}) + "\n" + json.dumps(document) + "\n"
    answer = acme.ingest.post("/_bulk", content=body, headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["errors"] is False
    question = {
        "query": 'upstream "connection refused" level:error tags.team:payments',
        "from": rfc3339(now - timedelta(minutes=5)),
        "to": rfc3339(now + timedelta(minutes=5)),
        "limit": 10,
    }
    found = eventually(lambda: acme.search(**question)["items"], 30, what="the log line by search")
    assert [item["message"] for item in found] == [document["message"]]
    assert found[0]["host_id"] == "web1"
    assert found[0]["service_id"] == "checkout"
    assert found[0]["metadata"]["order"] == 4711
    assert acme.search(**question)["total"] == {"value": 1, "relation": "eq"}
    assert globex.search(**{**question, "query": ""})["items"] == []


def hosts_appear_by_themselves(acme: Tenant, globex: Tenant) -> None:
    eventually(lambda: [host["name"] for host in acme.items("hosts")] == ["web1"], 30, what="the host row")
    assert globex.items("hosts") == []


def a_threshold_pages_and_resolves(acme: Tenant, globex: Tenant, receiver: WebhookReceiver) -> None:
    made = acme.admin.post(f"/api/v1/orgs/{acme.slug}/webhooks", json={"name": "pager", "url": receiver.url})
    assert made.status_code == 201, made.text
    secret = made.json()["secret"]
    rule = {
        "name": "cpu too high", "severity": "critical", "interval_s": 1,
        "condition": {
            "measurement": "system_metrics", "field": "value", "aggregate": "last", "comparison": ">",
            "threshold": 90, "window_s": 300, "group_by": ["host"],
        },
    }  # fmt: skip
    made = acme.admin.post(f"/api/v1/orgs/{acme.slug}/alert-rules", json=rule)
    assert made.status_code == 201, made.text
    _report_cpu(acme, 97.5)
    eventually(lambda: len(receiver.received) >= 1, 30, what="the page")
    fired = receiver.received[0].verified(secret)
    assert fired["type"] == "alert.fired"
    assert fired["data"]["labels"] == {"host": "web1"}
    assert fired["data"]["value"] == 97.5
    alerts = acme.items("alerts?status=firing")
    assert [alert["id"] for alert in alerts] == [fired["data"]["id"]]
    taken = acme.admin.post(f"/api/v1/orgs/{acme.slug}/alerts/{alerts[0]['id']}/acknowledge")
    assert taken.json()["status"] == "acknowledged"
    _report_cpu(acme, 12.0)
    eventually(lambda: acme.items("alerts")[0]["status"] == "resolved", 30, what="the resolution")
    eventually(lambda: "alert.resolved" in [item.verified(secret)["type"] for item in receiver.received], 30)
    ids = [item.message_id for item in receiver.received]
    assert len(ids) == len(set(ids)), "a notification arrived twice without a fault"
    assert globex.items("alerts") == []
    assert globex.admin.get(f"/api/v1/orgs/{acme.slug}/alerts").status_code == 404


def alerts_are_measured(acme: Tenant, globex: Tenant) -> None:
    question = {
        "measurement": "alert_events", "field": "acknowledged", "aggregate": "sum", "group_by": ["status"],
        "from": "now-1h", "to": "now+1m",
    }  # fmt: skip

    def told() -> dict[str, float]:
        return {each["tags"]["status"]: each["points"][0][1] for each in acme.query(**question)["series"]}

    eventually(lambda: told() == {"firing": 0, "acknowledged": 1, "resolved": 1}, 30, what="points of the alert")
    assert globex.query(**question)["series"] == []


def alerts_are_found(acme: Tenant, globex: Tenant) -> None:
    question = {"query": "web1 severity:critical status:resolved labels.host:web*"}
    found = acme.admin.post(f"/api/v1/orgs/{acme.slug}/alerts/search", json=question)
    assert [item["labels"] for item in found.json()["items"]] == [{"host": "web1"}], found.text
    assert globex.admin.post(f"/api/v1/orgs/{globex.slug}/alerts/search", json=question).json()["items"] == []


def _report_cpu(tenant: Tenant, value: float) -> None:
    # Evaluations look at windows that end two seconds before their slot.
    at_ns = time.time_ns() - 1 * NS
    line = f"system_metrics,host=web1,metric_type=cpu value={value} {at_ns}"
    assert tenant.ingest.post("/api/v2/write", content=line).status_code == 204


def everything_was_audited_where_it_belongs(acme: Tenant, globex: Tenant) -> None:
    actions = {row["action"] for row in acme.items("audit-log?limit=200")}
    assert {"alert.fire", "alert.acknowledge", "alert.resolve", "alert_rule.create", "webhook.create"} <= actions
    assert not any(row["action"].startswith("alert") for row in globex.items("audit-log?limit=200"))

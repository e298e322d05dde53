"""Rows of servers as people and programs get them."""

from sqlalchemy import text

from factories.real_requests import Things
from fixtures.api import ApiWorld
from strata_core.server_metrics.rolling import roll_up
from strata_core.server_metrics.summaries import refresh
from strata_datamodel.tables.server_metrics import server_metric_marks


def test_a_servers_rows_hours_days_and_errors_are_pages(shared_api: ApiWorld) -> None:
    acme, client = shared_api.acme, shared_api.client
    the = Things(shared_api, acme)
    path = the.path(f"{acme.path}/servers/{{host_id}}")
    host = the.made["host_id"]
    client.patch(f"{acme.path}/hosts/{host}", json={"region": "eu-9"}, headers={**acme.admin, "if-match": "*"})
    for _ in range(3):
        the.server_rows()
    with acme.system_units.organization(acme.organization_id) as uow:
        marks = text(
            f"INSERT INTO {server_metric_marks.name} (organization_id, server_id, hour, marked_at) SELECT DISTINCT"
            " organization_id, server_id, date_trunc('hour', timestamp), app.now() - interval '5 minutes'"
            " FROM server_metrics"
        )
        uow.execute(marks)
        assert roll_up(uow) >= 1
        refresh(uow)

    def get(suffix: str, **asked: object):
        return client.get(f"{path}{suffix}", params=asked, headers=acme.admin).raise_for_status().json()

    first = get("/metrics", limit=2)
    rest = get("/metrics", limit=2, cursor=first["next_cursor"])
    rows = first["items"] + rest["items"]
    assert rest["next_cursor"] is None
    assert [row["cpu_usage"] for row in rows] == [7, 7, 7]
    assert rows == sorted(rows, key=lambda row: row["timestamp"])
    hours = get("/metrics", resolution="hour", **{"from": "now-3h"})["items"]
    assert sum(hour["samples"] for hour in hours) == 3
    assert {hour["cpu_usage_avg"] for hour in hours} == {7}
    days = get("/metrics", resolution="day", **{"from": "now-2d", "to": "now+1d"})["items"]
    assert (sum(day["errors"] for day in days), days[0]["cpu_usage_max"]) == (3, 7)
    (newest, *_) = get("/errors", limit=1)["items"]
    assert (newest["message"], newest["region"], newest["server_id"]) == ("disk full", "eu-9", host)
    regions = client.get(f"{acme.path}/servers/regions", params={"region": "eu-9"}, headers=acme.admin).json()["items"]
    assert {(day["region"], day["servers"], day["cpu_usage_avg"]) for day in regions} == {("eu-9", 1, 7)}
    theirs = client.get(f"{shared_api.globex.path}/servers/regions", headers=shared_api.globex.admin).json()["items"]
    assert "eu-9" not in {day["region"] for day in theirs}
    assert (
        client.get(f"{path}/metrics", params={"from": "yesterday"}, headers=acme.admin).json()["code"] == "bad_instant"
    )


def test_an_organization_turns_rows_on_by_a_setting(shared_api: ApiWorld) -> None:
    acme = shared_api.acme
    headers = {**acme.admin, "if-match": "*", "content-type": "application/merge-patch+json"}
    body = b'{"settings":{"relational_server_metrics":true}}'
    answer = shared_api.client.patch(acme.path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["settings"]) == (200, {"relational_server_metrics": True})

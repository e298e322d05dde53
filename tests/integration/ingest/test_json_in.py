"""JSON in on the wire, points in the store."""

import gzip
import json

from fixtures.api import SETTER_UP
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Context
from strata_core.quotas.commands import set_quota
from strata_core.quotas.rules import Quota


def send(world, path, content, **headers):
    return world.client.post(path, content=json.dumps(content), headers={**world.acme.token, **headers})


def metric(host="a", value=1.5, **more):
    return {"measurement": "cpu", "tags": {"host": host}, "fields": {"v": value}, **more}


def test_a_push_is_in_the_store_of_its_organization_alone_also_after_a_crash(make_ingest):
    world = make_ingest(is_writing=False)
    answer = send(world, "/api/v1/metrics", {"metrics": [metric(), metric("b", 2)]})
    assert (answer.status_code, answer.json()["points"]) == (200, 2)
    body = gzip.compress(json.dumps({"metrics": [metric("c", 3)]}).encode())
    headers = {**world.acme.token, "content-encoding": "gzip"}
    assert world.client.post("/api/v1/metrics", content=body, headers=headers).status_code == 200
    world.machine.shared.points.pass_by(1 << 40)  # a process that begins anew was handed nothing
    world.machine.start_writers()
    assert world.points("cpu") == {"a": 1.5, "b": 2, "c": 3}
    assert world.count_points(world.globex) == 0


def test_partial_success_is_told_with_pointers(ingest):
    answer = send(ingest, "/api/v1/metrics", {"metrics": [metric(), metric(time=0), {"measurement": "x"}]})
    told = answer.json()
    assert (answer.status_code, told["points"], told["rejected_metrics"]) == (200, 1, 2)
    assert [(each["pointer"], each["code"]) for each in told["problems"]] == [
        ("/metrics/1/time", "too_old"),
        ("/metrics/2", "malformed"),
    ]
    assert ingest.points("cpu") == {"a": 1.5}


def test_when_nothing_was_kept_it_is_a_problem(ingest):
    answer = send(ingest, "/api/v1/metrics", {"metrics": [metric(time="never")]})
    assert (answer.status_code, answer.json()["code"]) == (400, "nothing_written")
    assert answer.headers["content-type"] == "application/problem+json"
    answer = send(ingest, "/api/v1/metrics", [])
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")
    answer = send(ingest, "/api/v1/metrics", {"metrics": []}, authorization="Token wrong")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Basic realm="strata"')
    assert answer.json()["code"]


def test_series_beyond_a_limit_are_named(ingest):
    ctx = Context(ingest.acme.organization_id, SETTER_UP, PERMISSIONS, "fixture")
    with ingest.machine.system_units.organization(ingest.acme.organization_id) as uow:
        set_quota(ctx, uow, Quota.NEW_SERIES, 1)
    told = send(ingest, "/api/v1/metrics", {"metrics": [metric(), metric("b")]}).json()
    assert (told["points"], told["refused_points"]) == (1, 1)
    assert [(each["series"], each["code"]) for each in told["problems"]] == [("cpu,host=b v", "new_series_per_hour")]


def test_what_collectd_sends_is_kept_and_its_host_appears(ingest):
    value_list = {
        "values": [7, None],
        "dstypes": ["derive", "derive"],
        "dsnames": ["v", "tx"],
        "time": ingest.machine.clock.now_ns() / 1e9,
        "interval": 10,
        "host": "web-9",
        "plugin": "interface",
        "plugin_instance": "eth0",
        "type": "if_octets",
        "type_instance": "",
    }
    answer = send(ingest, "/collectd", [value_list])
    assert (answer.status_code, answer.json()["points"]) == (200, 1)
    assert ingest.points("interface") == {"web-9": 7}
    assert ingest.database.rows("SELECT name FROM hosts") == [{"name": "web-9"}]

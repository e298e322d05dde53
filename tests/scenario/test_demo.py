"""`strata demo` beside a running Strata: something to look at in each place, and nothing twice when it is run again."""

import json

import httpx
import pytest

from scenario.processes import command
from scenario.up import Up
from waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("scenario-embedded"), pytest.mark.timeout(300)]


def admin(up: Up) -> httpx.Client:
    arguments = ["keys", "create", "--org", "demo", "--name", "test", "--scope", "admin", "--json"]
    made = command(arguments, up.environment)
    assert made.returncode == 0, made.stderr
    headers = {"authorization": f"Bearer {json.loads(made.stdout)['token']}"}
    return httpx.Client(
        base_url=f"http://127.0.0.1:{up.api_port}/api/v1/orgs/demo", headers=headers, timeout=30, trust_env=False
    )


def points(client: httpx.Client) -> dict[str, float]:
    """How many points of CPU each machine has, half an hour ago and before."""
    question = {
        "measurement": "system_metrics", "field": "value", "aggregate": "count", "group_by": ["host"],
        "filters": [{"tag": "metric_type", "op": "=", "value": "cpu"}], "from": "now-50m", "to": "now-30m",
    }  # fmt: skip
    series = client.post("/metrics/query", json=question, headers={"cache-control": "no-cache"}).json()["series"]
    return {item["tags"]["host"]: sum(value for _, value in item["points"]) for item in series}


def test_the_demo_fills_every_signal_and_running_it_again_doubles_no_point(up):
    first = command(["demo", "--hours", "1", "--once"], up.environment)
    assert first.returncode == 0, first.stderr
    assert "demo@strata.test" in first.stdout
    client = admin(up)
    try:
        eventually(lambda: len(points(client)) == 8, 30, what="the machines' points")
        filled = eventually(lambda: min(points(client).values()) >= 119 and points(client), 30, what="all of them")
        assert len(client.get("/hosts").json()["items"]) == 8
        search = {"query": "", "from": "now-1h", "to": "now", "limit": 5}
        assert client.post("/logs/search", json=search).json()["total"]["value"] > 500
        assert [rule["name"] for rule in client.get("/alert-rules").json()["items"]] == ["CPU above 75 %"]
        again = command(["demo", "--hours", "1", "--once"], up.environment)
        assert again.returncode == 0, again.stderr
        assert max(points(client).values()) <= max(filled.values()) + 1
    finally:
        client.close()


def test_the_demo_says_what_to_do_when_nothing_runs(data_dir):
    refused = command(["demo", "--once"], {"STRATA_DATA_DIR": str(data_dir)})
    assert refused.returncode == 1
    assert "make up" in refused.stderr

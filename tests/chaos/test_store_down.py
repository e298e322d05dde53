"""A store that is down, silent or cut off: telemetry is still accepted, questions get 503, and it heals by itself."""

import time
from datetime import UTC, datetime

import httpx
import pytest

from faults.kinds import BlackHole, PassThrough, Refuse
from scenario.up import Up
from waiting import eventually

NEW = {"cache-control": "no-cache"}
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("scenario-server"), pytest.mark.timeout(300)]


def readiness(up: Up) -> tuple[int, dict[str, bool]]:
    answer = httpx.get(f"http://127.0.0.1:{up.api_port}/readyz", timeout=20, trust_env=False)
    return answer.status_code, {item["store"]: item["is_ready"] for item in answer.json()["stores"]}


@pytest.mark.parametrize("fault", [Refuse(), BlackHole()], ids=["refused", "silent"])
def test_a_metric_store_that_is_down(fault, data_dir, tmp_path, influx_url, influx_database, fault_proxy):
    proxy = fault_proxy(influx_url)
    up = Up(data_dir, tmp_path / "up.log")
    up.process.environment |= {"STRATA_METRICS_URL": proxy.url, "STRATA_METRICS_DATABASE": influx_database}
    up.start()
    acme = up.tenant("acme")
    question = {"measurement": "m", "field": "value", "aggregate": "sum", "from": "now-1h", "to": "now+1m"}
    try:
        proxy.set(fault)
        for number in range(5):
            line = f"m,host=h{number} value=1 {time.time_ns()}"
            assert acme.ingest.post("/api/v2/write", content=line).status_code == 204
        refused = acme.admin.post("/api/v1/orgs/acme/metrics/query", json=question)
        assert refused.status_code == 503, refused.text
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) >= 1
        assert "metrics" in refused.json()["detail"]
        status, stores = readiness(up)
        assert status == 503
        assert stores["metrics"] is False
        assert stores["postgres"] is True
        # The rest of the platform goes on.
        assert acme.admin.get("/api/v1/orgs/acme/hosts").status_code == 200
        now = datetime.now(UTC).isoformat()
        body = f'{{"index":{{}}}}\n{{"@timestamp":"{now}","message":"unmoved"}}\n'
        assert acme.ingest.post("/_bulk", content=body).status_code == 200
        eventually(lambda: acme.search(query="unmoved", **{"from": "now-1h", "to": "now+1h"})["items"], 30)
        proxy.set(PassThrough())

        def all_in() -> bool:
            answer = acme.admin.post("/api/v1/orgs/acme/metrics/query", json=question, headers=NEW)
            return answer.status_code == 200 and [s["points"][0][1] for s in answer.json()["series"]] == [5]

        eventually(all_in, 90, what="the points that were accepted during the outage")
        eventually(lambda: readiness(up)[0] == 200, 60, what="readiness")
    finally:
        acme.close()
        proxy.set(PassThrough())
        assert up.process.stop() == 0, up.process.log()[-3000:]

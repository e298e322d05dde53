"""New series under an organization's limits: told at the edge, decided by the writer, and nobody else's concern."""

from pathlib import Path

import pytest

from faults.kinds import Refuse
from fixtures.api import SETTER_UP
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Context
from strata_core.quotas.commands import set_quota
from strata_core.quotas.rules import Quota
from strata_stores.clock import SystemClock
from strata_stores.postgres.roles import APP
from strata_stores.redis.rate_limiter import RedisRateLimiter


def allow(world, quota, value):
    ctx = Context(world.acme.organization_id, SETTER_UP, PERMISSIONS, "fixture")
    with world.machine.system_units.organization(world.acme.organization_id) as uow:
        set_quota(ctx, uow, quota, value)


def lines(hosts, measurement="cpu"):
    return "\n".join(f"{measurement},host=h{host} v={host}" for host in hosts)


def letters(world):
    return world.database.rows("SELECT reason, content FROM dead_letters")


@pytest.mark.parametrize(("path", "status"), [("/api/v2/write", 422), ("/write", 400)])
def test_new_series_beyond_the_limit_are_named_and_all_others_kept(ingest, path, status):
    allow(ingest, Quota.NEW_SERIES, 3)

    def send(content):
        return ingest.client.post(path, content=content, headers=ingest.acme.token)

    assert send(lines(range(2))).status_code == 204
    answer = send(lines(range(5)))
    assert answer.status_code == status
    text = answer.json()["message" if status == 422 else "error"]
    assert text.startswith("partial write: max-series-per-database limit exceeded: dropped=2: cpu,host=h3 v: ")
    assert "limit new_series_per_hour (3) is reached" in text
    assert ingest.points("cpu") == {"h0": 0, "h1": 1, "h2": 2}
    assert send(lines(range(3))).status_code == 204
    assert ingest.write(lines(range(5)), ingest.globex).status_code == 204
    assert len(ingest.points("cpu", sender=ingest.globex)) == 5
    assert letters(ingest) == []


def test_a_series_with_too_many_labels_is_kept_out_by_that_limit(ingest):
    allow(ingest, Quota.LABELS_OF_A_SERIES, 2)
    answer = ingest.write("cpu,host=a,b=1,c=2 v=1\ncpu,host=b,c=1 v=2")
    assert "limit labels_per_series (2) is reached" in answer.json()["message"]
    assert ingest.points("cpu") == {"b": 2}


def test_after_a_crash_what_was_refused_stays_out_and_what_was_taken_comes_in(make_ingest):
    world = make_ingest(is_writing=False)
    allow(world, Quota.SERIES, 2)
    assert world.write(lines(range(4))).status_code == 422
    world.machine.shared.registered.forget(world.acme.organization_id)
    world.machine.shared.points.pass_by(1 << 40)  # a process that begins anew was handed nothing
    world.machine.start_writers()
    assert world.points("cpu") == {"h0": 0, "h1": 1}
    assert letters(world) == []


def test_while_the_catalogue_cannot_be_asked_all_is_taken_and_the_writer_buries_the_rest(
    make_ingest, database, fault_proxy
):
    proxy = fault_proxy(Path(database.server.socket_dir) / f".s.PGSQL.{database.server.port}")
    world = make_ingest(callers_url=f"postgresql://{APP}@{proxy.host}:{proxy.port}/{database.name}?sslmode=disable")
    allow(world, Quota.SERIES, 2)
    assert world.write(lines(range(1))).status_code == 204
    proxy.set(Refuse())
    assert world.write(lines(range(4))).status_code == 204
    assert len(world.points("cpu")) == 2
    buried = letters(world)
    assert {row["reason"] for row in buried} == {"limit series (2) is reached"}
    assert sum(bytes(row["content"]).count(b"\n") for row in buried) == 2
    proxy.heal()


def test_points_a_second_are_limited_after_they_are_read(make_ingest, embedded_valkey):
    limiter = RedisRateLimiter(embedded_valkey.url(), SystemClock(), connect_timeout_s=1.0, timeout_s=2.0)
    world = make_ingest(limiter=limiter)
    allow(world, Quota.INGEST_POINTS, 10)
    assert world.write(lines(range(500))).status_code == 204  # a full bucket lets the first through
    answer = world.write(lines(range(3)))
    assert answer.status_code == 429
    assert answer.headers["ratelimit-policy"] == '"ingest_points_per_second";q=20;w=2'
    assert "ingest_points_per_second" in answer.json()["message"]
    assert int(answer.headers["retry-after"]) >= 1
    assert world.write(lines(range(500)), world.globex).status_code == 204
    limiter.close()


def test_fault_48_a_flood_of_new_series_is_refused_in_bounded_memory_and_its_neighbour_writes_on(ingest):
    allow(ingest, Quota.NEW_SERIES, 1_000)
    assert ingest.write(lines(range(500))).status_code == 204
    for body in range(4):
        refused = ingest.write(lines(range(3_000 * body, 3_000 * body + 3_000), "flood"))
        assert refused.status_code == 422, refused.text
        assert ingest.write(lines(range(500))).status_code == 204
        assert ingest.write(f"cpu,host=a v={body}", ingest.globex).status_code == 204
    assert ingest.count_points() == 500 * 5 + 500
    assert ingest.points("cpu", sender=ingest.globex) == {"a": 3}
    assert ingest.database.rows("SELECT count(*) AS n FROM metric_series") == [{"n": 1_001}]
    assert letters(ingest) == []
    assert len(ingest.machine.shared.registered) == 1_001
    assert ingest.machine.counted("strata_ingest_refused_series_total") == 11_500

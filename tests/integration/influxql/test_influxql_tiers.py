"""InfluxQL about what is long ago: windows answer where points are gone, and say the same."""

from contextlib import contextmanager

import numpy as np
import pytest

from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Actor, ActorKind, Context
from strata_core.influxql.answers import Form, written
from strata_core.influxql.queries import Sources, influxql_asked
from strata_core.influxql.reading import finest_stretches
from strata_core.rollups.knowledge import TierStates
from strata_core.rollups.queries import TierState
from strata_core.series.commands import register
from strata_datamodel.metrics import FieldClass, PointBatch, SeriesKey
from strata_datamodel.tiers import ROLLED_UP, Stretch, Tier

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
STEP = 10_000_000_000


@pytest.fixture(scope="module")
def now_ns(shared_api) -> int:
    return shared_api.clock.now_ns()


@pytest.fixture(scope="module")
def begin_ns(now_ns) -> int:
    """When raw points are gone, unless they are kept longer."""
    return now_ns // HOUR * HOUR - 20 * DAY


@pytest.fixture(scope="module")
def asked(shared_api, begin_ns, now_ns):
    """Answers in which raw points are kept for so long."""
    deps, organization_id = shared_api.app.state.deps, shared_api.acme.organization_id
    count = 2 * HOUR // STEP
    series = tuple(SeriesKey("cpu", (("host", host),), "usage", FieldClass.NUMBER) for host in "ab")
    time_ns = np.tile(begin_ns + np.arange(count) * STEP, 2)
    values = np.arange(2 * count) * 7 % 97 / 4
    batch = PointBatch(organization_id, series, np.repeat(np.arange(2, dtype=np.int32), count), time_ns, values)
    deps.metric_store.write(batch)
    for tier in ROLLED_UP:
        deps.metric_store.roll_up(tier, begin_ns, begin_ns + 2 * HOUR)
    with deps.units.organization(organization_id) as uow:
        register(uow, series)
    actor = Actor(ActorKind.SYSTEM, None, "test")
    ctx = Context(organization_id, actor, PERMISSIONS, "test")

    @contextmanager
    def unit():
        with deps.units.organization(organization_id) as uow:
            yield uow

    def ask(query: str, *, raw_kept_ns: int) -> str:
        kept = {Tier.RAW: raw_kept_ns, Tier.MINUTE: 30 * DAY, Tier.FIVE_MINUTES: 90 * DAY, Tier.HOUR: 365 * DAY}
        since = {tier: (now_ns - kept_ns) // HOUR * HOUR for tier, kept_ns in kept.items()}
        state = TierState(since, dict.fromkeys(ROLLED_UP, now_ns // HOUR * HOUR))
        tiers = TierStates(lambda *_: state, deps.clock)
        sources = Sources(unit, deps.metric_store, deps.metric_store, tiers, deps.clock)
        return b"".join(written(influxql_asked(ctx, sources, query, "x"), Form(epoch="ms"))).decode()

    return ask


AGGREGATES = (
    "count(usage)",
    "sum(usage)",
    "mean(usage)",
    "min(usage), max(usage)",
    "first(usage), last(usage)",
    "max(usage) - min(usage)",
)


@pytest.mark.parametrize(
    ("what", "group"),
    [
        *((each, group) for each in AGGREGATES for group in ("host", "time(10m), host", "time(5m)")),
        ("derivative(mean(usage), 1s)", "time(10m), host"),
    ],
)
def test_windows_answer_as_points_did(asked, begin_ns, what, group):
    query = f"SELECT {what} FROM cpu WHERE time >= {begin_ns} AND time < {begin_ns + 2 * HOUR} GROUP BY {group}"
    by_points = asked(query, raw_kept_ns=60 * DAY)
    assert '"values"' in by_points
    assert asked(query, raw_kept_ns=7 * DAY) == by_points


def test_what_needs_points_is_reckoned_from_the_last_of_each_window(asked, begin_ns):
    bounds = f"time >= {begin_ns} AND time < {begin_ns + 2 * HOUR}"
    told = asked(f"SELECT count(distinct(usage)) FROM cpu WHERE {bounds} AND usage >= 0", raw_kept_ns=7 * DAY)
    assert '"values"' in told
    assert asked(f"SELECT usage FROM cpu WHERE {bounds} AND host = 'a' LIMIT 2", raw_kept_ns=7 * DAY).count("[17") == 2


def test_a_step_that_no_tier_makes_up_is_refused_with_what_would_do(asked, begin_ns):
    query = f"SELECT mean(usage) FROM cpu WHERE time >= {begin_ns} AND time < {begin_ns + 2 * HOUR} GROUP BY time(90s)"
    assert "windows of 1m" in asked(query, raw_kept_ns=7 * DAY)


def test_points_come_from_the_finest_that_is_kept():
    kept = {Tier.RAW: 7 * DAY, Tier.MINUTE: 5 * DAY, Tier.FIVE_MINUTES: 3 * DAY, Tier.HOUR: 0}
    state = TierState(kept, dict.fromkeys(ROLLED_UP, 10 * DAY))
    assert finest_stretches(2 * DAY, 8 * DAY + 5, state) == [
        Stretch(Tier.HOUR, 2 * DAY, 3 * DAY),
        Stretch(Tier.FIVE_MINUTES, 3 * DAY, 5 * DAY),
        Stretch(Tier.MINUTE, 5 * DAY, 7 * DAY),
        Stretch(Tier.RAW, 7 * DAY, 8 * DAY + 5),
    ]
    assert finest_stretches(0, 9 * DAY, TierState(kept, {})) == [Stretch(Tier.RAW, 7 * DAY, 9 * DAY)]

"""How far roll-ups are, as figures."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from strata_core.rollups.queries import RollupFigures
from strata_datamodel.health import StoreHealth
from strata_datamodel.tiers import ROLLED_UP, Tier

NOTHING_ROLLED_UP: Final = RollupFigures({}, 0, None)
_BEHIND: Final = timedelta(hours=1)
_DUE: Final = {tier: timedelta(minutes=minutes) for tier, minutes in zip(ROLLED_UP, (3, 8, 68), strict=True)}
"""How far behind now a tier is that has all it can have: its lag, its widest window, and those of the tiers above."""


def rollup_figures_of(newest: RollupFigures, now: datetime) -> list[Metric]:
    """Every worker says the same: take the greatest, not the sum."""
    lag = GaugeMetricFamily(
        "strata_rollup_lag_seconds", "How far behind now a tier of metrics is rolled up.", labels=["tier"]
    )
    for tier in ROLLED_UP:
        lag.add_metric([tier.value], _age(newest.through.get(tier), now).total_seconds())
    dirty = GaugeMetricFamily("strata_dirty_windows", "Hours that points came late for, to be rolled up again.")
    dirty.add_metric([], newest.dirty)
    oldest = GaugeMetricFamily(
        "strata_dirty_windows_oldest_seconds", "For how long the hour has been waiting that waits the longest."
    )
    oldest.add_metric([], _age(newest.oldest_marked_at, now).total_seconds())
    return [lag, dirty, oldest]


def rollup_health(newest: RollupFigures, now: datetime) -> StoreHealth:
    late = {tier: _age(at, now) for tier, at in newest.through.items()}
    shown = ", ".join(f"{tier} {_minutes(age)} behind" for tier, age in late.items()) or "not begun"
    waiting = f"; {newest.dirty} dirty hours, the oldest for {_minutes(_age(newest.oldest_marked_at, now))}"
    is_ready = _is_on_time(late) and _age(newest.oldest_marked_at, now) <= _BEHIND
    return StoreHealth(
        "rollups", is_ready=is_ready, detail=shown + (waiting if newest.dirty else ""), is_required=False
    )


def _is_on_time(late: Mapping[Tier, timedelta]) -> bool:
    return all(late[tier] <= due + _BEHIND for tier, due in _DUE.items() if tier in late)


def _age(instant: datetime | None, now: datetime) -> timedelta:
    return timedelta(0) if instant is None else max(timedelta(0), now - instant)


def _minutes(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} min" if minutes < 180 else f"{minutes // 60} h"

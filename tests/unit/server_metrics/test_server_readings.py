"""Which points become which columns of which row, and what no row may hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.server_metrics.readings import OUT_OF_RANGE, OUT_OF_TIME, Readings, readings_of
from strata_core.server_metrics.sources import filling_of
from strata_datamodel.ids import OrganizationId, uuid7
from strata_datamodel.metrics import FieldClass, PointBatch, SeriesKey
from strata_datamodel.server_metrics import Column

ORGANIZATION = OrganizationId(uuid7(1))
Point = tuple[str, str, dict[str, str], int, float]
S = 1_000_000_000


def series(measurement: str, field: str, kind: FieldClass = FieldClass.NUMBER, **tags: str) -> SeriesKey:
    return SeriesKey(measurement, tuple(sorted(tags.items())), field, kind)


def read(*points: tuple[SeriesKey, int, float]) -> Readings:
    keys = list(dict.fromkeys(key for key, _, _ in points))
    batch = PointBatch(
        ORGANIZATION,
        tuple(keys),
        np.array([keys.index(key) for key, _, _ in points], dtype=np.int32),
        np.array([time for _, time, _ in points], dtype=np.int64),
        np.array([value for _, _, value in points], dtype=np.float64),
    )
    return readings_of(batch, [filling_of(key) for key in keys], first_ns=10 * S, end_ns=100 * S)


@pytest.mark.parametrize(
    ("key", "column"),
    [
        (series("cpu", "usage_idle", host="a", cpu="cpu-total"), Column.CPU_USAGE),
        (series("mem", "used_percent", host="a"), Column.MEMORY_USAGE),
        (series("disk", "used_percent", host="a", path="/"), Column.DISK_USAGE),
        (series("system", "load1", host_id="a"), Column.LOAD_AVERAGE),
        (series("net", "bytes_recv", host="a", interface="eth0"), Column.NETWORK_IN),
        (series("interface_tx", "value", host="a", type="if_octets", instance="eth0"), Column.NETWORK_OUT),
        (series("cpu_value", "value", host="a", type="percent", type_instance="idle"), Column.CPU_USAGE),
        (series("system_metrics", "value", host_id="a", metric_type="cpu", unit="%"), Column.CPU_USAGE),
        (series("system_metrics", "value", host_id="a", metric_type="network", direction="out"), Column.NETWORK_OUT),
        (series("server_metrics", "network_in", host="a"), Column.NETWORK_IN),
        (series("cpu", "usage_idle", host="a", cpu="cpu3"), None),
        (series("cpu_value", "value", host="a", type="percent", type_instance="idle", instance="3"), None),
        (series("cpu", "usage_idle", cpu="cpu-total"), None),
        (series("net", "bytes_recv", host="a", interface="lo"), None),
        (series("system_metrics", "value", host_id="a", metric_type="memory", unit="bytes"), None),
        (series("mem", "used_percent", FieldClass.STRING, host="a"), None),
        (series("nginx", "requests", host="a"), None),
    ],
)
def test_a_series_fills_the_column_that_it_stands_for_or_none(key: SeriesKey, column: Column | None) -> None:
    filling = filling_of(key)
    assert (filling.column if filling else None) == column


def test_points_of_a_host_and_time_are_one_row() -> None:
    idle = series("cpu", "usage_idle", host="a", cpu="cpu-total")
    first, second = (series("net", "bytes_recv", host="a", interface=name) for name in ("eth0", "eth1"))
    found = read((idle, 20 * S, 75.5), (first, 20 * S, 100), (second, 20 * S, 20), (idle, 30 * S, 0.0))
    assert found.rows == {
        ("a", 20_000_000): {Column.CPU_USAGE: 24.5, Column.NETWORK_IN: 120},
        ("a", 30_000_000): {Column.CPU_USAGE: 100.0},
    }
    assert not +found.refused


@pytest.mark.parametrize("value", [-0.01, 100.01, float("nan"), float("inf"), 1e300])
def test_a_value_outside_of_the_check_is_refused_and_the_rest_of_its_row_is_kept(value: float) -> None:
    direct = series("server_metrics", "cpu_usage", host="a")
    found = read((direct, 20 * S, value), (series("mem", "used_percent", host="a"), 20 * S, 40.0))
    assert found.rows == {("a", 20_000_000): {Column.MEMORY_USAGE: 40.0}}
    assert found.refused[OUT_OF_RANGE] == 1


def test_what_is_over_a_bigint_is_refused_also_as_a_sum() -> None:
    first, second = (series("net", "bytes_sent", host="a", interface=name) for name in ("eth0", "eth1"))
    assert read((first, 20 * S, 9.3e18)).rows == {}
    found = read((first, 20 * S, 9.0e18), (second, 20 * S, 9.0e18))
    assert found.rows == {}
    assert found.refused[OUT_OF_RANGE] == 2


def test_points_of_no_kept_time_are_refused() -> None:
    key = series("mem", "used_percent", host="a")
    found = read((key, 10 * S - 1, 1.0), (key, 10 * S, 2.0), (key, 100 * S, 3.0))
    assert list(found.rows) == [("a", 10_000_000)]
    assert found.refused[OUT_OF_TIME] == 2


@given(st.lists(st.lists(st.tuples(st.integers(20, 22), st.integers(0, 9)), max_size=4), max_size=5))
def test_counters_come_out_the_same_whatever_is_put_together_or_sent_again(
    batches: list[list[tuple[int, int]]],
) -> None:
    key = series("net", "bytes_recv", host="a", interface="eth0")
    each = [read(*((key, time * S, float(value)) for time, value in batch)) for batch in batches if batch]
    once, again, back = Readings(), Readings(), Readings()
    for one in each:
        once.add(one)
    for one in [*each, *each]:
        again.add(one)
    for one in reversed(each):
        back.add(one)
    assert once.rows == again.rows == back.rows

"""What every metric store promises of readings. Mixed into a test class that has `new_store`."""

import pytest

from contract.metric_subjects import MetricSubjects
from contract.metric_views import BASE
from factories.point_batches import MINUTE, SECOND, batch_of, point
from strata_datamodel.errors import LimitError
from strata_datamodel.metrics import FieldClass, Readings
from strata_datamodel.tiers import ROLLED_UP, Stretch, Tier

_HOUR = 60 * MINUTE
_RAW = (Stretch(Tier.RAW, BASE, BASE + _HOUR),)


def rows_of(readings: Readings) -> list[tuple[int, int, float | str]]:
    """The series' place, the time and the value."""
    is_text = bool(readings.series) and readings.series[0].field_class is FieldClass.STRING
    values = [readings.texts[int(value)] if is_text else value for value in readings.values.tolist()]
    return list(zip(readings.series_index.tolist(), readings.time_ns.tolist(), values, strict=True))


class MetricReadingsContract(MetricSubjects):
    def test_readings_are_the_points_of_the_series_asked_for_by_series_and_time(self, metric_store, acme, umbrella):
        b = [point(BASE + at, at / 3, host="b") for at in (5, 1, 3)]
        a = [point(BASE + at * SECOND, -at / 3, host="a") for at in (1, 0)]
        metric_store.write(batch_of(acme, *b, *a, point(BASE, 9.0, host="c")))
        metric_store.write(batch_of(umbrella, point(BASE, 99.0, host="a"), point(BASE, 99.0, host="b")))
        asked = (b[0].series, point(BASE, 1.0, host="missing").series, a[0].series)
        readings = metric_store.readings(acme, asked, _RAW, 100)
        assert readings.series == asked
        assert rows_of(readings) == [
            *((0, BASE + at, at / 3) for at in (1, 3, 5)),
            *((2, BASE + at * SECOND, -at / 3) for at in (0, 1)),
        ]

    def test_readings_of_a_stretch_include_its_beginning_and_exclude_its_end(self, metric_store, acme):
        rows = [point(BASE + at, float(at)) for at in (-1, 0, 1, 9, 10)]
        metric_store.write(batch_of(acme, *rows))
        readings = metric_store.readings(acme, (rows[0].series,), (Stretch(Tier.RAW, BASE, BASE + 10),), 100)
        assert [at - BASE for at in readings.time_ns.tolist()] == [0, 1, 9]

    @pytest.mark.parametrize("values", [(1.5, -2.5, 1e300), ("up", "", "two\nlines"), (True, False, True)])
    def test_every_class_of_values_comes_back(self, metric_store, acme, values):
        rows = [point(BASE + at * SECOND, value) for at, value in enumerate(values)]
        metric_store.write(batch_of(acme, *rows))
        readings = metric_store.readings(acme, (rows[0].series,), _RAW, 100)
        assert rows_of(readings) == [(0, each.time_ns, each.value) for each in rows]

    @pytest.mark.parametrize("tier", ROLLED_UP)
    def test_of_a_tier_the_last_point_of_each_window_is_read_at_its_own_time(self, metric_store, acme, tier):
        rows = [point(BASE + at * 7 * SECOND, float(at)) for at in range(1200)]
        metric_store.write(batch_of(acme, *rows))
        for each in ROLLED_UP:
            metric_store.roll_up(each, BASE, BASE + 3 * _HOUR)
        stretches = (Stretch(tier, BASE, BASE + _HOUR), Stretch(Tier.RAW, BASE + _HOUR, BASE + _HOUR + MINUTE))
        readings = metric_store.readings(acme, (rows[0].series,), stretches, 1000)
        windows = {Tier.MINUTE: MINUTE, Tier.FIVE_MINUTES: 5 * MINUTE, Tier.HOUR: _HOUR}
        last = {each.time_ns // windows[tier]: each for each in rows if each.time_ns < BASE + _HOUR}
        raw = [each for each in rows if BASE + _HOUR <= each.time_ns < BASE + _HOUR + MINUTE]
        assert rows_of(readings) == [(0, each.time_ns, each.value) for each in [*last.values(), *raw]]

    def test_more_readings_than_the_limit_are_refused(self, metric_store, acme):
        rows = [point(BASE + at, 1.0, host=host) for at in range(6) for host in "ab"]
        metric_store.write(batch_of(acme, *rows))
        asked = tuple(dict.fromkeys(each.series for each in rows))
        assert len(metric_store.readings(acme, asked, _RAW, 12).time_ns) == 12
        with pytest.raises(LimitError) as refused:
            metric_store.readings(acme, asked, _RAW, 11)
        assert refused.value.code == "query_points"

    def test_nothing_asked_is_nothing_read(self, metric_store, acme):
        metric_store.write(batch_of(acme, point(BASE, 1.0)))
        assert metric_store.readings(acme, (), _RAW, 10).series == ()
        assert len(metric_store.readings(acme, (point(BASE, 1.0).series,), (), 10).time_ns) == 0

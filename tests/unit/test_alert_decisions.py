"""What an evaluation does to a series: table tests, and a model for any history."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.alerting.drafts import RuleDraft, checked_draft
from strata_core.alerting.rules import Effect, decide, fingerprint, next_slot, slot_of, summary_of, verdict_of
from strata_datamodel.alerting import (
    Comparison,
    Condition,
    ConditionFilter,
    Rule,
    SeriesState,
    Severity,
    StateRow,
    Verdict,
)
from strata_datamodel.errors import InvalidError
from strata_datamodel.ids import AlertId, RuleId

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CONDITION = Condition(
    measurement="system_metrics", field="value", aggregate="avg", comparison=Comparison.GT, threshold=90, window_s=300
)
ALERT = AlertId(UUID(int=7))


def rule(for_s: int = 0) -> Rule:
    return Rule(RuleId(UUID(int=1)), "cpu", "", Severity.CRITICAL, CONDITION, {}, for_s, 60)


def state(kind: SeriesState, *, alert=None, pending_since=None, at=NOON) -> StateRow:
    return StateRow("f", {}, kind, pending_since, at if alert else None, alert, at, None)


def test_over_the_threshold_without_a_wait_opens_at_once():
    decision = decide(rule(), None, Verdict.FIRING, NOON)
    assert (decision.effect, decision.state) == (Effect.OPEN, SeriesState.FIRING)
    assert decision.firing_since == NOON


def test_a_wait_opens_only_when_it_is_over():
    first = decide(rule(for_s=120), None, Verdict.FIRING, NOON)
    assert (first.effect, first.state, first.pending_since) == (Effect.NONE, SeriesState.PENDING, NOON)
    waiting = state(SeriesState.PENDING, pending_since=NOON)
    assert decide(rule(120), waiting, Verdict.FIRING, NOON + timedelta(seconds=119)).effect is Effect.NONE
    assert decide(rule(120), waiting, Verdict.FIRING, NOON + timedelta(seconds=120)).effect is Effect.OPEN


@pytest.mark.parametrize("verdict", [Verdict.NO_DATA, Verdict.ERROR])
def test_silence_neither_resolves_nor_fires(verdict):
    opened = state(SeriesState.FIRING, alert=ALERT)
    kept = decide(rule(), opened, verdict, NOON + timedelta(minutes=1))
    assert kept.effect is Effect.NONE
    assert kept.firing_since == NOON
    assert decide(rule(), None, verdict, NOON).effect is Effect.NONE


def test_a_gap_in_the_data_starts_the_wait_anew_but_an_outage_of_the_store_does_not():
    waiting = state(SeriesState.PENDING, pending_since=NOON)
    assert decide(rule(120), waiting, Verdict.NO_DATA, NOON + timedelta(seconds=60)).pending_since is None
    assert decide(rule(120), waiting, Verdict.ERROR, NOON + timedelta(seconds=60)).pending_since == NOON


@pytest.mark.parametrize(
    ("last_seen_s", "is_waiting_anew"),
    [
        pytest.param(0, False, id="each slot was watched"),
        pytest.param(-60, False, id="one slot was missed"),
        pytest.param(-70, False, id="to the tolerance"),
        pytest.param(-71, True, id="past the tolerance"),
        pytest.param(-3600, True, id="an outage of an hour"),
        pytest.param(3600, True, id="the clock was put back"),
    ],
)
def test_an_unwatched_stretch_is_no_time_over_the_threshold(last_seen_s, is_waiting_anew):
    pending = StateRow(
        "f", {}, SeriesState.PENDING, NOON - timedelta(hours=2), None, None, NOON + timedelta(seconds=last_seen_s), None
    )
    at = NOON + timedelta(seconds=60)
    decision = decide(rule(for_s=600), pending, Verdict.FIRING, at)
    if is_waiting_anew:
        assert (decision.effect, decision.pending_since) == (Effect.NONE, at)
    else:
        assert decision.effect is Effect.OPEN


def test_an_unwatched_stretch_leaves_open_what_is_open():
    opened = state(SeriesState.FIRING, alert=ALERT)
    decision = decide(rule(for_s=600), opened, Verdict.FIRING, NOON + timedelta(days=1))
    assert (decision.state, decision.effect, decision.firing_since) == (SeriesState.FIRING, Effect.NONE, NOON)


@given(st.lists(st.sampled_from(list(Verdict)), max_size=40), st.integers(0, 300))
def test_any_history_opens_and_resolves_in_turn_and_resolves_only_on_ok(verdicts, for_s):
    at, before, is_open = NOON, None, False
    for verdict in verdicts:
        at += timedelta(seconds=60)
        decision = decide(rule(for_s), before, verdict, at)
        if decision.effect is Effect.OPEN:
            assert not is_open
            assert verdict is Verdict.FIRING
            is_open = True
        elif decision.effect is Effect.RESOLVE:
            assert is_open
            assert verdict is Verdict.OK
            is_open = False
        alert = ALERT if is_open else None
        before = StateRow(
            "f", {}, decision.state, decision.pending_since, decision.firing_since, alert, at, None
        )  # fmt: skip
        assert not (verdict is Verdict.OK and is_open)


@pytest.mark.parametrize(
    ("comparison", "fires_at", "calm_at"),
    [(">", 91, 90), (">=", 90, 89), ("<", 89, 90), ("<=", 90, 91), ("==", 90, 91), ("!=", 91, 90)],
)
def test_each_comparison_fires_on_its_side_of_the_threshold(comparison, fires_at, calm_at):
    condition = Condition(
        measurement="m", field="f", aggregate="avg", comparison=Comparison(comparison), threshold=90, window_s=60
    )
    assert verdict_of(condition, fires_at, 90) is Verdict.FIRING
    assert verdict_of(condition, calm_at, 90) is Verdict.OK
    assert verdict_of(condition, None, 90) is Verdict.NO_DATA
    assert verdict_of(condition, fires_at, None) is Verdict.NO_DATA


@given(st.integers(0, 4_000_000_000), st.integers(1, 86_400))
def test_slots_are_shared_multiples_of_the_interval(second, interval_s):
    instant = datetime.fromtimestamp(second, UTC)
    slot = slot_of(instant, interval_s)
    assert slot <= instant < next_slot(instant, interval_s)
    assert int(slot.timestamp()) % interval_s == 0


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4))
def test_a_fingerprint_does_not_depend_on_order(labels):
    assert fingerprint(labels) == fingerprint(dict(reversed(labels.items())))


def test_fingerprints_tell_shifted_boundaries_apart():
    assert fingerprint({"a": "bc"}) != fingerprint({"ab": "c"})
    assert fingerprint({"a": "", "b": "c"}) != fingerprint({"a": "b", "": "c"})


def test_a_summary_says_what_was_measured_and_where():
    text = summary_of(rule(), {"host": "db1"}, 97.25, 90)
    assert text == "cpu: avg(system_metrics.value) = 97.25 > 90 (host=db1)"


def test_every_problem_of_a_draft_is_named_at_once():
    condition = Condition(
        measurement="", field="f", aggregate="median", comparison=Comparison.GT, threshold=float("nan"), window_s=0,
        filters=(ConditionFilter(tag="t", op="~", values=("x",)), ConditionFilter(tag="t", op="=", values=())),
    )  # fmt: skip
    with pytest.raises(InvalidError) as raised:
        checked_draft(RuleDraft(name=" ", condition=condition, interval_s=0))
    assert {problem.where for problem in raised.value.problems} == {
        "/name",
        "/interval_s",
        "/condition/measurement",
        "/condition/aggregate",
        "/condition/threshold",
        "/condition/window_s",
        "/condition/filters/0/op",
        "/condition/filters/1/values",
    }


def changed(**changes) -> Condition:
    return Condition(**{name: getattr(CONDITION, name) for name in CONDITION.__struct_fields__} | changes)


def test_a_summary_names_the_field_that_held_the_threshold():
    watched = replace(rule(), condition=changed(threshold=None, threshold_field="threshold_critical"))
    assert summary_of(watched, {}, 97.25, 85) == "cpu: avg(system_metrics.value) = 97.25 > threshold_critical = 85"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"threshold": None}, "/condition/threshold"),
        ({"threshold_field": "threshold_critical"}, "/condition/threshold"),
        ({"threshold": None, "threshold_field": "value"}, "/condition/threshold_field"),
        ({"threshold": None, "threshold_field": ""}, "/condition/threshold_field"),
        ({"threshold": None, "threshold_field": "a\nb"}, "/condition"),
        ({"threshold": None, "threshold_field": "threshold_critical", "aggregate": "rate"}, "/condition/aggregate"),
    ],
)
def test_a_rule_has_one_threshold_that_means_something(changes, where):
    with pytest.raises(InvalidError) as raised:
        checked_draft(RuleDraft(name="cpu", condition=changed(**changes)))
    assert [problem.where for problem in raised.value.problems] == [where]


@pytest.mark.parametrize(
    ("window_s", "interval_s", "is_allowed"),
    [(300, 1, True), (1_440, 1, True), (1_441, 1, False), (7 * 86_400, 1, False), (7 * 86_400, 420, True)],
)
def test_a_long_window_is_not_asked_often(window_s, interval_s, is_allowed):
    wanted = RuleDraft(name="cpu", condition=changed(window_s=window_s), interval_s=interval_s)
    if is_allowed:
        assert checked_draft(wanted) is wanted
        return
    with pytest.raises(InvalidError) as raised:
        checked_draft(wanted)
    assert [problem.where for problem in raised.value.problems] == ["/interval_s"]


@pytest.mark.parametrize(
    "changes",
    [
        {"group_by": ("host", "host")},
        {"group_by": ("",)},
        {"filters": (ConditionFilter("", "=", ("x",)),)},
        {"measurement": "a\nb"},
    ],
)
def test_a_condition_that_no_store_would_answer_is_refused_at_once(changes):
    with pytest.raises(InvalidError) as raised:
        checked_draft(RuleDraft(name="cpu", condition=changed(**changes)))
    assert [problem.where for problem in raised.value.problems] == ["/condition"]

"""Faults happen where a test asked for them, and nowhere else."""

import pytest

from strata_core.sagas.fault_points import NO_FAULTS
from strata_datamodel.errors import InvalidError, StoreUnavailableError
from strata_stores.fault_points import faults_of
from strata_stores.settings import scripted_faults

VARIABLES = ("STRATA_TEST_FAULT_POINTS", "STRATA_TEST_ALLOWS_FAULTS")


def test_a_fault_happens_once_at_the_time_that_was_asked_for():
    faults = faults_of("saga.*.after_effect:fail@2")
    faults.reached("saga.x.y.after_intent")
    faults.reached("saga.x.y.after_effect")
    with pytest.raises(StoreUnavailableError):
        faults.reached("saga.x.z.after_effect")
    faults.reached("saga.x.z.after_effect")


def test_two_faults_are_counted_apart():
    faults = faults_of("a:fail, b:fail")
    for name in ("a", "b"):
        with pytest.raises(StoreUnavailableError):
            faults.reached(name)


@pytest.mark.parametrize("text", ["", "a", "a:", ":kill", "a:explode", "a:kill@x", "a:kill,"])
def test_what_is_no_fault_point_is_refused(text):
    with pytest.raises(InvalidError, match="no fault point"):
        faults_of(text)


def test_without_a_script_there_are_no_faults():
    assert faults_of(None) is NO_FAULTS


@pytest.mark.parametrize(
    ("points", "allows", "found"),
    [("a:kill", "yes", "a:kill"), ("a:kill", "", None), ("a:kill", "no", None), ("", "yes", None)],
)
def test_the_environment_is_heeded_only_where_it_says_so_twice(monkeypatch, points, allows, found):
    for name, value in zip(VARIABLES, (points, allows), strict=True):
        monkeypatch.setenv(name, value)
    assert scripted_faults() == found

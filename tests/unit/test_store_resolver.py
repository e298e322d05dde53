import pytest

from fixtures.store_resolver import Machine, plan_for, required_stores

BARE = Machine(has_engine=False, is_installed=False, missing_tools=("`go` is not on PATH: install Go",))
WITH_TOOLS = Machine(has_engine=False, is_installed=False)
INSTALLED = Machine(has_engine=False, is_installed=True)
WITH_ENGINE = Machine(has_engine=True, is_installed=False)
EVERYTHING = Machine(has_engine=True, is_installed=True)


def test_a_url_in_the_environment_wins_over_everything():
    plan = plan_for("influx", {"STRATA_TEST_INFLUX_URL": "http://db:8086/"}, EVERYTHING)
    assert (plan.url, plan.ways) == ("http://db:8086", ())


def test_one_stores_url_says_nothing_about_the_other():
    assert plan_for("elastic", {"STRATA_TEST_INFLUX_URL": "http://db:8086"}, INSTALLED).url is None


def test_docker_comes_before_a_native_install_which_stands_in_when_docker_fails():
    assert plan_for("influx", {}, EVERYTHING).ways == ("docker", "native")
    assert plan_for("influx", {}, WITH_ENGINE).ways == ("docker",)
    assert plan_for("influx", {}, INSTALLED).ways == ("native",)


@pytest.mark.parametrize("environ", [{}, {"STRATA_TEST_REQUIRE": "elastic"}, {"STRATA_TEST_NATIVE": "0"}])
def test_nothing_is_built_unasked(environ):
    plan = plan_for("influx", environ, WITH_TOOLS)
    assert plan.ways == ()
    assert not plan.install_first
    assert "python -m native_stores install influx" in plan.lacking


@pytest.mark.parametrize("environ", [{"STRATA_TEST_REQUIRE": "elastic, influx"}, {"STRATA_TEST_NATIVE": "1"}])
def test_a_required_store_is_installed_before_the_run(environ):
    plan = plan_for("influx", environ, WITH_TOOLS)
    assert (plan.ways, plan.install_first) == (("native",), True)
    assert not plan_for("influx", environ, INSTALLED).install_first


def test_what_cannot_be_installed_says_what_to_install_first():
    plan = plan_for("influx", {"STRATA_TEST_REQUIRE": "influx"}, BARE)
    assert plan.ways == ()
    assert "install Go; then" in plan.lacking


def test_required_stores_are_known_ones():
    assert required_stores({}) == frozenset()
    assert required_stores({"STRATA_TEST_REQUIRE": "influx,elastic"}) == {"influx", "elastic"}
    with pytest.raises(ValueError, match="mongo"):
        required_stores({"STRATA_TEST_REQUIRE": "influx,mongo"})

"""Grafana's dashboards come in, and go out as they came."""

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factories.grafana_dashboards import cpu_panel, resource, second_model, servers, shared
from strata_core.dashboards.grafana.expressions import promql_question
from strata_core.dashboards.grafana.reading import dashboard_from
from strata_core.dashboards.grafana.targets import question_of
from strata_core.dashboards.grafana.writing import classic_of
from strata_core.dashboards.rules import checked_document
from strata_datamodel.dashboards import (
    DashboardDraft,
    Grid,
    Panel,
    PanelQuery,
    PanelQuestion,
    QuestionFilter,
    TagSource,
    Threshold,
    every_panel,
)
from strata_datamodel.errors import InvalidError

ANSWERS = {"DS_PROM": "prom-1"}
replace = msgspec.structs.replace


def through_the_database(draft: DashboardDraft) -> DashboardDraft:
    return msgspec.json.decode(checked_document(draft), type=DashboardDraft)


@pytest.mark.parametrize("written", [servers, lambda: {"title": "bare"}, lambda: {**servers(), "panels": None}])
def test_what_came_from_grafana_goes_back_as_it_came(written):
    assert classic_of(through_the_database(dashboard_from(written(), {}))) == written()


def test_the_order_of_keys_is_kept_so_that_a_diff_of_files_is_empty():
    kept = orjson.dumps(classic_of(through_the_database(dashboard_from(servers(), {}))))
    assert kept == orjson.dumps(servers())


def test_panels_queries_variables_and_looks_are_understood():
    draft = dashboard_from(servers(), {}, folder="Linux")
    row, gauge = draft.panels
    (cpu,) = row.panels
    assert [panel.id for panel in every_panel(draft)] == [9, 2, 4]
    assert (draft.title, draft.folder, draft.tags, draft.time_from) == (
        "Servers",
        "Linux",
        ("linux", "servers"),
        "now-3h",
    )
    assert cpu.queries[0].question == PanelQuestion(
        measurement="cpu",
        field="usage",
        filters=(QuestionFilter("host", "=~", ("^$host$",)), QuestionFilter("dc", "=", ("$datacenter",))),
        group_by=("host",),
    )
    assert cpu.queries[0].legend == "$tag_host"
    assert gauge.queries[0].question is None, "raw InfluxQL is another language"
    assert (gauge.unit, gauge.decimals, gauge.max, gauge.max_data_points) == ("percent", 1, 100, 100)
    assert gauge.thresholds == (Threshold("green"), Threshold("red", 90))
    host, datacenter = draft.variables
    assert (host.source, host.current, host.is_multi) == (TagSource("cpu", "host"), ("web-1",), True)
    assert datacenter.options == ("fsn", "hel")


def test_what_was_changed_here_is_in_the_export_and_nothing_else_is_touched():
    draft = dashboard_from(servers(), {})
    row, gauge = draft.panels
    changed = replace(gauge, title="Load", unit="short", grid=Grid(6, 1, 6, 4), min=None)
    exported = classic_of(replace(draft, refresh="1m", panels=(row, changed)))
    expected = servers()
    expected["refresh"] = "1m"
    panel = expected["panels"][1]
    panel |= {"title": "Load", "gridPos": {"h": 4, "w": 6, "x": 6, "y": 1}}
    panel["fieldConfig"]["defaults"] |= {"unit": "short", "min": None}
    assert exported == expected


def test_a_question_that_was_changed_becomes_a_target_that_asks_it():
    (panel,) = dashboard_from({"title": "t", "panels": [cpu_panel(id=1)]}, {}).panels
    (query,) = panel.queries
    asked = replace(query.question, aggregate="p95", field="idle")
    changed = replace(panel, queries=(replace(query, question=asked),))
    (target,) = classic_of(DashboardDraft(title="t", panels=(changed,)))["panels"][0]["targets"]
    assert question_of(target) == asked
    assert target["refId"] == "A"


@pytest.mark.parametrize("aggregate", ["avg", "rate", "p99", "count", "last"])
def test_a_dashboard_that_was_made_here_comes_back_from_grafana_asking_the_same(aggregate):
    question = PanelQuestion(
        measurement="disk", field="used", aggregate=aggregate, group_by=("host",), step="1m",
        filters=(QuestionFilter("path", "=", ("/var",)), QuestionFilter("host", "!~", ("^a/b",))),
    )  # fmt: skip
    queries = (PanelQuery(ref_id="A", question=question, legend="used"),)
    made = DashboardDraft(title="Disks", panels=(Panel(id=3, unit="bytes", queries=queries),))
    (panel,) = dashboard_from(classic_of(made), {}).panels
    assert (panel.id, panel.unit, panel.queries[0].question, panel.queries[0].legend) == (3, "bytes", question, "used")


def test_inputs_are_asked_for_by_name_and_put_in():
    with pytest.raises(InvalidError) as refused:
        dashboard_from(shared(), {})
    assert refused.value.code == "inputs_missing"
    assert [problem.where for problem in refused.value.problems] == ["/inputs/DS_PROM"]
    draft = dashboard_from(shared(), ANSWERS)
    first, second = draft.panels[0].queries
    assert first.question == PanelQuestion(
        measurement="http_requests_total", field="value", aggregate="rate",
        filters=(QuestionFilter("job", "=", ("api",)),), group_by=("code",),
    )  # fmt: skip
    assert second.question is None
    expected = orjson.loads(orjson.dumps(shared()).replace(b"${DS_PROM}", b"prom-1").replace(b"${VAR_JOB}", b"api"))
    del expected["__inputs"]
    assert classic_of(draft) == expected


def test_a_resource_is_unwrapped_and_the_second_model_is_refused_by_its_name():
    assert classic_of(dashboard_from(resource(), {})) == servers()
    with pytest.raises(InvalidError) as refused:
        dashboard_from(second_model(), {})
    assert refused.value.code == "grafana_v2"


def test_panels_without_an_id_or_with_anothers_can_be_told_apart():
    panels = [{"title": "a"}, {"id": 1, "title": "b"}, {"id": 1, "title": "c"}, {"id": None, "title": "d"}]
    draft = through_the_database(dashboard_from({"title": "t", "panels": panels}, {}))
    ids = [panel.id for panel in draft.panels]
    assert ids[1] == 1
    assert len(set(ids)) == 4
    assert [panel.get("id") for panel in classic_of(draft)["panels"]] == [None, 1, ids[2], None]


@pytest.mark.parametrize(
    "expression",
    [
        "sum(up)",
        "avg(rate(x[$__interval]))",
        "rate(x[5m])",
        "sum(rate(x[5m]))",
        "max by (a) (x) by (b)",
        'avg(x{a="1"} offset 5m)',
        "avg(x) > 1",
        'avg(x{a="1" b="2"})',
        "avg by (a) (x[5m])",
        "avg(" + " " * 400 + "x)",
    ],
)
def test_promql_that_would_mean_something_else_is_left_alone(expression):
    assert promql_question(expression) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"rawQuery": True},
        {"resultFormat": "table"},
        {"limit": "10"},
        {"select": [[{"type": "field", "params": ["usage"]}, {"type": "mean"}, {"type": "math", "params": ["/ 2"]}]]},
        {"groupBy": [{"type": "time", "params": ["1m"]}, {"type": "fill", "params": ["previous"]}]},
        {"groupBy": []},
        {"tags": [{"key": "a", "operator": "<", "value": "1"}]},
        {"tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2", "condition": "OR"}]},
        {"measurement": "/cpu.*/"},
    ],
)
def test_targets_that_would_mean_something_else_are_left_alone(changes):
    assert question_of({**cpu_panel()["targets"][0], **changes}) is None


@pytest.mark.parametrize(
    "content", [{"panels": "none"}, {"title": "t", "panels": [1]}, {"panels": []}, {"title": "\0"}]
)
def test_what_is_no_dashboard_is_refused_with_its_place(content):
    with pytest.raises(InvalidError) as refused:
        checked_document(dashboard_from(content, {}))
    assert refused.value.code == "bad_dashboard"


# Anything at all at the places that are read: an import may not stumble, nor the export tell it otherwise.
WORDS = ["", "A", "s", "x, y : z", "/re/", "query", "row", "custom", "now-1h", "${V}", "mean"]
KEYS = ["value", "query", "x", "w", "steps", "color", "type", "params", "key"]
NUMBERS = st.integers(-5, 2**53) | st.floats(allow_nan=False, allow_infinity=False)
LEAF = st.none() | st.booleans() | NUMBERS | st.sampled_from(WORDS)
ODD = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)


def objects(names: list[str], **more: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional={**dict.fromkeys(names, ODD), **more})


TARGET = objects(["hide", "expr", "legendFormat", "alias", "measurement", "select", "groupBy", "tags"])
DEFAULTS = objects(["unit", "decimals", "min", "max"], thresholds=ODD | objects(["steps"]))
PANEL_KEYS = ["type", "title", "description", "gridPos", "maxDataPoints", "interval", "repeat", "custom", "options"]
PANEL = objects(
    PANEL_KEYS, targets=st.lists(TARGET, max_size=2), fieldConfig=ODD | st.fixed_dictionaries({"defaults": DEFAULTS})
)
VARIABLE = objects(["label", "type", "query", "current", "options", "multi", "includeAll", "sort"])
DASHBOARD = objects(
    ["description", "tags", "time", "refresh", "timezone", "links", "uid", "version", "x"],
    panels=st.none() | st.lists(PANEL, max_size=3),
    templating=st.none() | objects(["x"], list=st.lists(VARIABLE, max_size=2)),
    annotations=objects(["x"], list=st.lists(objects(["name", "enable", "iconColor", "strataAlerts"]), max_size=2)),
)


@settings(max_examples=60, deadline=None)
@given(DASHBOARD)
def test_whatever_stands_in_a_dashboard_comes_back(content):
    panels = content.get("panels") or []
    for number, panel in enumerate(panels):
        panel["id"] = number
    for number, variable in enumerate((content.get("templating") or {}).get("list", [])):
        variable["name"] = f"v{number}"
    classic = {"title": "t", **content}
    sent = orjson.loads(orjson.dumps(classic))
    assert orjson.dumps(classic_of(through_the_database(dashboard_from(sent, {})))) == orjson.dumps(classic)

"""Strata's own alert rules and dashboard ask for figures that its processes export, and lead to runbooks that exist."""

import json
import re
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from architecture.markdown import anchors

ROOT = Path(__file__).resolve().parents[2]
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "infra/prometheus/alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((ROOT / "infra/grafana/strata.json").read_text("utf-8"))
EXPRESSIONS = [
    *((rule["alert"], rule["expr"]) for rule in RULES),
    *((panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", ())),
]
NAME = re.compile(r"\b(strata_[a-z0-9_]+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
GROUPED = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")
LABEL_SHOWN = re.compile(r"\$labels\.([a-z_]+)")
DURATION = re.compile(r"^\d+[smh]$")


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS, ids=lambda value: value[:40])
def test_an_expression_asks_for_figures_and_labels_that_are_exported(figures, title, expression):
    found = NAME.findall(expression)
    assert found, f"{title} asks for nothing of Strata's"
    available: set[str] = set()
    for name, matchers in found:
        assert name in figures, f"{title}: {name} is exported by no process"
        assert set(MATCHER.findall(matchers)) <= figures[name], f"{title}: {name} has no such label"
        available |= figures[name]
    for grouping in GROUPED.findall(expression):
        wanted = {label.strip() for label in grouping.split(",")}
        assert wanted <= available, f"{title}: grouped by a label that nothing has"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_how_long_how_bad_and_what_to_do(rule, figures):
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["alert"].startswith("Strata")
    assert DURATION.match(rule["for"])
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    available = {label for name, _ in NAME.findall(rule["expr"]) for label in figures[name]}
    grouped = GROUPED.findall(rule["expr"])
    if grouped:
        available = {label.strip() for label in grouped[-1].split(",")}
    shown = LABEL_SHOWN.findall(rule["annotations"]["summary"] + rule["annotations"]["description"])
    assert set(shown) <= available, "shows a label that the result does not have"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_has_a_runbook(rule):
    path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert anchor == rule["alert"].lower()
    assert anchor in anchors((ROOT / path).read_text("utf-8"))


def test_alert_names_are_not_used_twice():
    names = [rule["alert"] for rule in RULES]
    assert sorted(set(names)) == sorted(names)


def test_the_fill_alert_goes_off_before_the_spool_is_full():
    rule = next(rule for rule in RULES if rule["alert"] == "StrataSpoolFilling")
    assert "strata_spool_bytes / strata_spool_capacity_bytes" in rule["expr"]
    assert 0.5 < float(rule["expr"].rpartition(">")[2]) < 1


def test_every_figure_of_trouble_is_watched(figures):
    asked = {name for rule in RULES for name, _ in NAME.findall(rule["expr"])}
    trouble = {name for name in figures if re.search(r"lost|damaged|dead_letters|breaker_state|lag|oldest", name)}
    assert trouble <= asked


def test_panels_lie_beside_each_other():
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_panels_ask_the_data_source_that_was_chosen():
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= variables

"""A dashboard of ours in Grafana's classic model: what came from there as it came, but for what was changed here."""

from collections.abc import Sequence
from typing import Final

from strata_core.dashboards.grafana.fields import ANNOTATION, CHOICE, DASHBOARD, PANEL, VARIABLE
from strata_core.dashboards.grafana.lenses import written_back
from strata_core.dashboards.grafana.reading import valid_id
from strata_core.dashboards.grafana.targets import DATA_SOURCE, target_of_query
from strata_datamodel.dashboards import Annotation, Dashboard, DashboardDraft, Json, Panel, Variable

SCHEMA_VERSION: Final = 39


def classic_of(dashboard: DashboardDraft) -> Json:
    node = _new(dashboard) if dashboard.grafana is None else dashboard.grafana
    written = written_back(node, dashboard, DASHBOARD)
    _put_list(written, "panels", [_panel(each) for each in dashboard.panels])
    for name, items in (
        ("templating", [_variable(each) for each in dashboard.variables]),
        ("annotations", [_annotation(each) for each in dashboard.annotations]),
    ):
        inner = written.get(name)
        if items and not isinstance(inner, dict):
            inner = written[name] = {}
        if isinstance(inner, dict):
            _put_list(inner, "list", items)
    return written


def _new(dashboard: DashboardDraft) -> Json:
    """Of one that was made here."""
    own = {"uid": str(dashboard.id)} if isinstance(dashboard, Dashboard) else {}
    return {
        **own,
        "editable": True,
        "schemaVersion": SCHEMA_VERSION,
        "time": {"from": dashboard.time_from, "to": dashboard.time_to},
        "tags": [],
        "links": [],
        "panels": [],
        "templating": {"list": []},
        "annotations": {"list": []},
    }


def _put_list(node: Json, name: str, items: Sequence[Json]) -> None:
    """An empty list only where there was one."""
    if items or isinstance(node.get(name), list):
        node[name] = list(items)


def _panel(panel: Panel) -> Json:
    node = _new_panel(panel) if panel.grafana is None else panel.grafana
    written = written_back(node, panel, PANEL)
    if panel.grafana is None or valid_id(panel.grafana) is not None:
        written["id"] = panel.id
    _put_list(written, "targets", [target_of_query(each) for each in panel.queries])
    _put_list(written, "panels", [_panel(each) for each in panel.panels])
    return written


def _new_panel(panel: Panel) -> Json:
    grid = {name: getattr(panel.grid, name) for name in ("h", "w", "x", "y")}
    node: Json = {"id": panel.id, "type": panel.type, "gridPos": grid}
    if panel.type == "row":
        return {**node, "collapsed": bool(panel.panels), "panels": []}
    steps: Json = {"thresholds": {"mode": "absolute", "steps": []}} if panel.thresholds else {}
    return {**node, "datasource": dict(DATA_SOURCE), "fieldConfig": {"defaults": steps, "overrides": []}, "targets": []}


def _variable(variable: Variable) -> Json:
    node: Json = {} if variable.grafana is None else variable.grafana
    return written_back(node, variable, (*VARIABLE, *CHOICE[variable.kind]))


def _annotation(annotation: Annotation) -> Json:
    node: Json = {} if annotation.grafana is None else annotation.grafana
    return written_back(node, annotation, ANNOTATION)

"""Which field of ours is where in Grafana's classic model."""

import re
from typing import Final

from strata_core.dashboards.grafana.expressions import tag_query, tag_source
from strata_core.dashboards.grafana.lenses import Lens, number, text, texts, truth, whole
from strata_datamodel.dashboards import Grid, Threshold, VariableKind
from strata_datamodel.limits import (
    DASHBOARD_TAGS,
    DESCRIPTION_LENGTH,
    NAME_LENGTH,
    OPTIONS_PER_VARIABLE,
    PANEL_DATA_POINTS,
)

GRID_COLUMNS: Final = 24
GRID_ROWS: Final = 10_000
_KINDS: Final = {
    "constant": VariableKind.CONSTANT,
    "custom": VariableKind.CUSTOM,
    "textbox": VariableKind.TEXT,
    "interval": VariableKind.INTERVAL,
    "query": VariableKind.TAG_VALUES,
}
_TYPES: Final = {kind: name for name, kind in _KINDS.items()}


def _grid(value: object) -> Grid | None:
    """Only whole: half a grid would be written back otherwise than it came."""
    if not isinstance(value, dict):
        return None
    sides = {name: value.get(name, getattr(Grid(), name)) for name in Grid.__struct_fields__}
    if any(_within(sides[name], 0 if name in "xy" else 1, most) is None for name, most in _SIDES.items()):
        return None
    return Grid(**sides)


_SIDES: Final = {"x": GRID_COLUMNS - 1, "y": GRID_ROWS, "w": GRID_COLUMNS, "h": GRID_ROWS}


def _within(value: object, least: int, most: int) -> object | None:
    return whole(least, most)(value)


def _grid_written(value: object) -> object:
    return {name: getattr(value, name) for name in ("h", "w", "x", "y")}


def _steps(value: object) -> tuple[Threshold, ...] | None:
    if not isinstance(value, list) or len(value) > DASHBOARD_TAGS:
        return None
    steps = [_step(each) for each in value]
    return None if None in steps else tuple(step for step in steps if step is not None)


def _step(value: object) -> Threshold | None:
    if not isinstance(value, dict) or not isinstance(value.get("color"), str) or len(value["color"]) > NAME_LENGTH:
        return None
    level = value.get("value")
    if level is not None and number(level) is None:
        return None
    return Threshold(value["color"], None if level is None else number(level))


def _steps_written(value: object) -> object:
    return [{"color": each.color, "value": each.value} for each in value] if isinstance(value, tuple) else []


def _kind(value: object) -> VariableKind | None:
    return _KINDS.get(value) if isinstance(value, str) else None


def _kind_written(value: object) -> object:
    return _TYPES.get(VariableKind(str(value)), "custom")


def _chosen(value: object) -> tuple[str, ...] | None:
    return (value,) if isinstance(value, str) and len(value) <= NAME_LENGTH else _texts(value)


def _chosen_written(value: object) -> object:
    values = list(value) if isinstance(value, tuple) else []
    return values[0] if len(values) == 1 else values


def _options(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    found = tuple(each.get("value") if isinstance(each, dict) else None for each in value)
    return _texts(list(found)) if value else None


def _options_written(value: object) -> object:
    return [{"selected": False, "text": each, "value": each} for each in value] if isinstance(value, tuple) else []


def _listed(value: object) -> tuple[str, ...] | None:
    """`a, b, shown : sent`, with a comma in a value behind a backslash."""
    if not isinstance(value, str) or not value.strip():
        return None
    parts = [part.replace("\\,", ",").strip() for part in _COMMA.split(value)]
    return _texts([part.rpartition(" : ")[2].strip() for part in parts])


def _joined(value: object) -> object:
    return ",".join(each.replace(",", "\\,") for each in value) if isinstance(value, tuple) else ""


def _listed_out(value: object) -> object:
    return list(value) if isinstance(value, tuple) else []


def _title(value: object) -> str | None:
    return value[:NAME_LENGTH] if isinstance(value, str) else None


_COMMA: Final = re.compile(r"(?<!\\),")
_texts: Final = texts(OPTIONS_PER_VARIABLE, NAME_LENGTH)
_name: Final = text(NAME_LENGTH)
_words: Final = text(DESCRIPTION_LENGTH)

DASHBOARD: Final = (
    Lens("title", ("title",), "", _title),
    Lens("description", ("description",), "", _words),
    Lens("tags", ("tags",), (), texts(DASHBOARD_TAGS, NAME_LENGTH), _listed_out),
    Lens("time_from", ("time", "from"), "now-6h", text(64)),
    Lens("time_to", ("time", "to"), "now", text(64)),
    Lens("refresh", ("refresh",), "", text(64)),
    Lens("timezone", ("timezone",), "", text(64)),
)
PANEL: Final = (
    Lens("type", ("type",), "timeseries", _name),
    Lens("title", ("title",), "", _name),
    Lens("description", ("description",), "", _words),
    Lens("grid", ("gridPos",), Grid(), _grid, _grid_written),
    Lens("unit", ("fieldConfig", "defaults", "unit"), "", _name),
    Lens("decimals", ("fieldConfig", "defaults", "decimals"), None, whole(0, 20)),
    Lens("min", ("fieldConfig", "defaults", "min"), None, number),
    Lens("max", ("fieldConfig", "defaults", "max"), None, number),
    Lens("thresholds", ("fieldConfig", "defaults", "thresholds", "steps"), (), _steps, _steps_written),
    Lens("max_data_points", ("maxDataPoints",), None, whole(1, PANEL_DATA_POINTS)),
    Lens("interval", ("interval",), "", text(64)),
    Lens("repeat", ("repeat",), "", _name),
)
VARIABLE: Final = (
    Lens("name", ("name",), "", _name),
    Lens("label", ("label",), "", _name),
    Lens("kind", ("type",), VariableKind.OTHER, _kind, _kind_written),
    Lens("is_multi", ("multi",), False, truth),
    Lens("includes_all", ("includeAll",), False, truth),
)
_CURRENT: Final = Lens("current", ("current", "value"), (), _chosen, _chosen_written)
_QUERY: Final = Lens("current", ("query",), (), _chosen, _chosen_written)
_LISTED: Final = Lens("options", ("query",), (), _listed, _joined)
CHOICE: Final = {
    VariableKind.CONSTANT: (_QUERY,),
    VariableKind.TEXT: (_QUERY,),
    VariableKind.CUSTOM: (_CURRENT, _LISTED),
    VariableKind.INTERVAL: (_CURRENT, _LISTED),
    VariableKind.TAG_VALUES: (
        _CURRENT,
        Lens("options", ("options",), (), _options, _options_written),
        Lens("source", ("query",), None, tag_source, tag_query),
    ),
    VariableKind.OTHER: (_CURRENT,),
}
"""What else a variable has, by its kind."""
ANNOTATION: Final = (
    Lens("name", ("name",), "", _name),
    Lens("is_enabled", ("enable",), True, truth),
    Lens("color", ("iconColor",), "", _name),
    Lens("alerts", ("strataAlerts",), None, _words),
)

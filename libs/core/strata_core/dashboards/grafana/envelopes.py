"""In what a dashboard comes: bare, as Grafana's API has it, or as a resource; and what it asks whoever imports it."""

import re
from collections.abc import Mapping
from typing import Final

from strata_datamodel.dashboards import Json
from strata_datamodel.errors import InvalidError, Problem

_API: Final = "dashboard.grafana.app/"
_HOLE: Final = re.compile(r"\$\{(\w{1,200})\}", re.ASCII)


def unwrapped(content: Mapping[str, object]) -> Json:
    """The classic model in it. Raises InvalidError (code `grafana_v2`, `bad_dashboard`)."""
    if str(content.get("apiVersion", "")).startswith(_API):
        return _of_resource(content)
    inner = content.get("dashboard")
    found = inner if isinstance(inner, dict) and "panels" not in content else content
    if "elements" in found and "layout" in found:
        raise _v2()
    return dict(found)


def filled(content: Mapping[str, object], answers: Mapping[str, str]) -> Json:
    """With what was answered in place of `${DS_NAME}`. Raises InvalidError (code `inputs_missing`) naming each input
    that has neither an answer nor a value of its own."""
    inputs = content.get("__inputs")
    if not isinstance(inputs, list):
        return dict(content)
    asked = {str(each["name"]): each for each in inputs if isinstance(each, dict) and "name" in each}
    values = {name: answers.get(name, each.get("value")) for name, each in asked.items()}
    missing = [Problem(f"/inputs/{name}", _wanted(asked[name])) for name in values if not isinstance(values[name], str)]
    if missing:
        raise InvalidError(
            "this dashboard asks what to put in for its inputs",
            code="inputs_missing",
            hint="send them as `inputs`, each by its name: of a data source the uid it has in Grafana",
            problems=missing,
        )
    known = {name: value for name, value in values.items() if isinstance(value, str)}
    rest = {name: value for name, value in content.items() if name != "__inputs"}
    put = _put(rest, known)
    return put if isinstance(put, dict) else rest


def _of_resource(content: Mapping[str, object]) -> Json:
    spec = content.get("spec")
    if not isinstance(spec, dict):
        raise InvalidError("this resource has no spec", code="bad_dashboard", problems=[Problem("/spec", "is missing")])
    if "elements" in spec or str(content["apiVersion"]).removeprefix(_API).startswith("v2"):
        raise _v2()
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return spec if "uid" in spec or not isinstance(name, str) else {**spec, "uid": name}


def _v2() -> InvalidError:
    return InvalidError(
        "this is Grafana's V2 model, which is not read",
        code="grafana_v2",
        hint="export the dashboard from Grafana as Classic",
    )


def _wanted(asked: Mapping[str, object]) -> str:
    return f"{asked.get('label') or asked['name']} ({asked.get('pluginName') or asked.get('type') or 'a value'})"[:200]


def _put(value: object, known: Mapping[str, str]) -> object:
    match value:
        case str():
            return _HOLE.sub(lambda hole: known.get(hole[1], hole[0]), value)
        case list():
            return [_put(each, known) for each in value]
        case dict():
            return {name: _put(each, known) for name, each in value.items()}
    return value

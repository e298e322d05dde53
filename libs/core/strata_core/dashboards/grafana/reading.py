"""A classic dashboard as one of ours. What is not understood stays beside what is."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from strata_core.dashboards.grafana.envelopes import filled, unwrapped
from strata_core.dashboards.grafana.fields import ANNOTATION, CHOICE, DASHBOARD, PANEL, VARIABLE
from strata_core.dashboards.grafana.lenses import understood
from strata_core.dashboards.grafana.targets import query_of_target
from strata_core.dashboards.rules import check_json
from strata_datamodel.dashboards import Annotation, DashboardDraft, Json, Panel, PanelQuery, Variable
from strata_datamodel.errors import InvalidError, Problem

REF_LENGTH: Final = 64
_ID_MAX: Final = 2**53


def dashboard_from(
    content: Mapping[str, object],
    inputs: Mapping[str, str],
    *,
    folder: str = "",
    labels: Mapping[str, str] | None = None,
) -> DashboardDraft:
    """Raises InvalidError (code `grafana_v2`, `inputs_missing`, `bad_dashboard`) and LimitError."""
    check_json(content)
    classic = filled(unwrapped(content), inputs)
    check_json(classic)
    ids = _Ids(_taken(classic.get("panels")))
    return DashboardDraft(
        folder=folder,
        labels=dict(labels or {}),
        panels=_panels(classic, "/panels", ids),
        variables=tuple(_variable(each) for each in _items(classic.get("templating"), "/templating", "list")),
        annotations=tuple(_annotation(each) for each in _items(classic.get("annotations"), "/annotations", "list")),
        grafana=emptied(classic),
        **_fields(classic, DASHBOARD),
    )


def emptied(classic: Json) -> Json:
    """Without the members that are kept one by one, and still with the places they were in."""
    kept = dict(classic)
    if isinstance(kept.get("panels"), list):
        kept["panels"] = []
    for name in ("templating", "annotations"):
        inner = kept.get(name)
        if isinstance(inner, dict) and isinstance(inner.get("list"), list):
            kept[name] = {**inner, "list": []}
    return kept


class _Ids:
    """Of panels: as they came where they can be, else new ones."""

    def __init__(self, taken: frozenset[int]) -> None:
        self._given: set[int] = set()
        self._new = (number for number in count(1) if number not in taken)

    def of(self, panel: Mapping[str, object]) -> int:
        wanted = valid_id(panel)
        given = next(self._new) if wanted is None or wanted in self._given else wanted
        self._given.add(given)
        return given


def valid_id(panel: Mapping[str, object]) -> int | None:
    value = panel.get("id")
    is_id = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _ID_MAX
    return value if is_id and isinstance(value, int) else None


def _taken(panels: object) -> frozenset[int]:
    found = [each for each in panels if isinstance(each, dict)] if isinstance(panels, list) else []
    inner = [each for panel in found if isinstance(panel.get("panels"), list) for each in panel["panels"]]
    ids = (valid_id(each) for each in [*found, *inner] if isinstance(each, dict))
    return frozenset(each for each in ids if each is not None)


def _panels(node: Mapping[str, object], where: str, ids: _Ids) -> tuple[Panel, ...]:
    return tuple(_panel(each, f"{where}/{number}", ids) for number, each in enumerate(_items(node, where, "panels")))


def _panel(panel: Json, where: str, ids: _Ids) -> Panel:
    kept = {
        name: [] if name in {"panels", "targets"} and isinstance(each, list) else each for name, each in panel.items()
    }
    return Panel(
        id=ids.of(panel),
        queries=_queries(_items(panel, where, "targets")),
        panels=_panels(panel, f"{where}/panels", ids),
        grafana=kept,
        **_fields(panel, PANEL),
    )


def _queries(targets: Sequence[Json]) -> tuple[PanelQuery, ...]:
    """A reference that is missing, or there twice, is a letter that no other has."""
    named = [each.get("refId") for each in targets]
    letters = (each for each in _letters() if each not in named)
    found: dict[str, PanelQuery] = {}
    for target in targets:
        name = target.get("refId")
        ref_id = name if isinstance(name, str) and 0 < len(name) <= REF_LENGTH and name not in found else next(letters)
        found[ref_id] = query_of_target(target, ref_id)
    return tuple(found.values())


def _letters() -> Any:
    return (f"{chr(65 + number % 26)}{number // 26 or ''}" for number in count())


def _variable(node: Json) -> Variable:
    fields = _fields(node, VARIABLE)
    return Variable(grafana=node, **fields, **_fields(node, CHOICE[fields["kind"]]))


def _annotation(node: Json) -> Annotation:
    return Annotation(grafana=node, **_fields(node, ANNOTATION))


_fields: Final[Callable[..., dict[str, Any]]] = understood


def _items(node: object, where: str, name: str) -> list[Json]:
    """Raises InvalidError (code `bad_dashboard`) for a list of anything but objects."""
    items = node.get(name, []) if isinstance(node, Mapping) else []
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        raise InvalidError(
            "this is not a dashboard of Grafana's classic model",
            code="bad_dashboard",
            problems=[Problem(where, f"{name} is not a list of objects")],
        )
    return items

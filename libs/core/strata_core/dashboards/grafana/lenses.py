"""A field of ours and where Grafana has it. Both ways are one piece of data, so that what was not changed here is
written back as it came: also where it is missing, or odd."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from strata_datamodel.dashboards import Json

_MISSING = object()


def _as_it_is(value: object) -> object:
    return value


@dataclass(frozen=True, slots=True)
class Lens:
    """`read` gives None for what it does not understand; the field is at its default then."""

    name: str
    path: tuple[str, ...]
    default: object
    read: Callable[[object], object | None]
    write: Callable[[object], object] = _as_it_is

    def get(self, node: Mapping[str, object]) -> object:
        found = _found(node, self.path)
        value = None if found is _MISSING else self.read(found)
        return self.default if value is None else value

    def put(self, node: Json, value: object) -> None:
        for key in self.path[:-1]:
            inner = node.get(key)
            if not isinstance(inner, dict):
                inner = node[key] = {}
            node = inner
        node[self.path[-1]] = self.write(value)


def understood(node: Mapping[str, object], lenses: Sequence[Lens]) -> dict[str, object]:
    return {lens.name: lens.get(node) for lens in lenses}


def written_back(node: Mapping[str, object], entity: object, lenses: Sequence[Lens]) -> Json:
    """A copy of `node` with what the entity has otherwise."""
    copied: Json = copy.deepcopy(dict(node))
    for lens in lenses:
        value = getattr(entity, lens.name)
        if value != lens.get(node):
            lens.put(copied, value)
    return copied


def _found(node: object, path: tuple[str, ...]) -> object:
    for key in path:
        if not isinstance(node, dict) or key not in node:
            return _MISSING
        node = node[key]
    return node


def text(most: int) -> Callable[[object], object | None]:
    return lambda value: value if isinstance(value, str) and len(value) <= most else None


def truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def whole(least: int, most: int) -> Callable[[object], object | None]:
    return lambda value: (
        value if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most else None
    )


def number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def texts(most: int, length: int) -> Callable[[object], tuple[str, ...] | None]:
    def read(value: object) -> tuple[str, ...] | None:
        if not isinstance(value, list) or len(value) > most:
            return None
        fit = all(isinstance(each, str) and len(each) <= length for each in value)
        return tuple(value) if fit else None

    return read

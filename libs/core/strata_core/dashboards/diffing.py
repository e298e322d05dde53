"""What differs between two versions, place by place. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

import orjson

from strata_datamodel.limits import DASHBOARD_CHANGES_SHOWN


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """`path` is a JSON pointer; members of lists that have an id are named by it, as `panels/id=4`, so that moving a
    panel does not look like changing all that follow."""

    kind: ChangeKind
    path: str
    before: object = None
    after: object = None


def changes_between(old: str, new: str) -> tuple[Change, ...]:
    found = _changes("", orjson.loads(old), orjson.loads(new))
    return tuple(islice(found, DASHBOARD_CHANGES_SHOWN))


def _changes(path: str, old: object, new: object) -> Iterator[Change]:
    if old == new and type(old) is type(new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _members(path, old, new)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _members(path, _named(old), _named(new))
        if _order(old, new) != _order(new, old):
            yield Change(ChangeKind.CHANGED, path, _order(old, new), _order(new, old))
    else:
        yield Change(ChangeKind.CHANGED, path, old, new)


def _members(path: str, old: dict[str, object], new: dict[str, object]) -> Iterator[Change]:
    for name in {**old, **new}:
        place = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
        if name not in new:
            yield Change(ChangeKind.REMOVED, place, before=old[name])
        elif name not in old:
            yield Change(ChangeKind.ADDED, place, after=new[name])
        else:
            yield from _changes(place, old[name], new[name])


def _named(items: list[object]) -> dict[str, object]:
    names = [_name(item) for item in items]
    if None in names or len(set(names)) < len(names):
        return {str(number): item for number, item in enumerate(items)}
    return dict(zip((str(name) for name in names), items, strict=True))


def _order(items: list[object], others: list[object]) -> list[str]:
    """Of those that are in both."""
    known = _named(others)
    return [name for name in _named(items) if name in known]


def _name(item: object) -> str | None:
    if isinstance(item, dict):
        for key in ("id", "ref_id", "name"):
            if isinstance(item.get(key), str | int):
                return f"{key}={item[key]}"
    return None

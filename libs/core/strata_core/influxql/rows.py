"""Rows of a series, and of a group of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from strata_core.influxql.columns import STRING, Column, Mask, Times, joined, missing, of
from strata_core.influxql.evaluating import evaluated, is_true
from strata_core.influxql.syntax import Binary, Boolean, Expr, Paren, Ref, refs

Tags = Mapping[str, str]
GroupKey = tuple[str, tuple[str, ...]]
"""A measurement, and the values of what is grouped by."""


@dataclass(frozen=True, slots=True)
class Block:
    """A series' rows, in order of time."""

    name: str
    tags: Tags
    time: Times
    columns: Mapping[str, Column]

    def field_or_tag(self, name: str, *, if_lacking: str | None) -> Column:
        """A tag that the series lacks says `if_lacking`."""
        found = self.columns.get(name)
        if found is not None:
            return found
        value = self.tags.get(name) or if_lacking
        return missing(STRING) if value is None else of(STRING, value)

    def kept(self, condition: Expr | None, first_ns: int, last_ns: int) -> "Block":
        mask = (self.time >= first_ns) & (self.time <= last_ns)
        if condition is not None:
            mask = mask & self._meets(condition)
        if mask.all():
            return self
        return Block(
            self.name, self.tags, self.time[mask], {key: each.take(mask) for key, each in self.columns.items()}
        )

    def _meets(self, condition: Expr) -> Mask:
        def lookup(expr: Expr) -> Column:
            return self.field_or_tag(expr.name, if_lacking="") if isinstance(expr, Ref) else missing(STRING)

        return np.broadcast_to(is_true(evaluated(condition, lookup)), len(self.time))


@dataclass(slots=True)
class Group:
    """Rows of several series, in order of time; at one time in the order of the series."""

    blocks: Sequence[Block]
    time: Times = field(init=False)
    _order: np.ndarray = field(init=False)
    _columns: dict[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        times = np.concatenate([each.time for each in self.blocks])
        self._order = np.argsort(times, kind="stable") if len(self.blocks) > 1 else np.arange(len(times))
        self.time = times[self._order]

    def column(self, name: str) -> Column:
        if name not in self._columns:
            parts = [each.field_or_tag(name, if_lacking=None).sized(len(each.time)) for each in self.blocks]
            self._columns[name] = joined(parts).take(self._order)
        return self._columns[name]

    def owners(self, tags: Sequence[str]) -> np.ndarray:
        """For each row a number of the values that its series has of these tags."""
        numbers: dict[tuple[str, ...], int] = {}
        of_blocks = [
            numbers.setdefault(tuple(each.tags.get(tag, "") for tag in tags), len(numbers)) for each in self.blocks
        ]
        lengths = [len(each.time) for each in self.blocks]
        return np.asarray(np.repeat(np.array(of_blocks, np.intp), lengths)[self._order])


def possibly_meets(condition: Expr | None, tags: Tags, fields: frozenset[str]) -> bool:
    """Whether some row of a series with these tags can meet it, whatever its fields say."""
    return condition is None or _certainty(condition, tags, fields) is not False


def _certainty(expr: Expr, tags: Tags, fields: frozenset[str]) -> bool | None:
    match expr:
        case Paren(inner=inner):
            return _certainty(inner, tags, fields)
        case Boolean(value=value):
            return value
        case Binary(op=("AND" | "OR") as op, left=left, right=right):
            sides = {_certainty(left, tags, fields), _certainty(right, tags, fields)}
            decisive = op == "OR"
            if decisive in sides:
                return decisive
            return None if None in sides else not decisive
        case _ if refs(expr) and not refs(expr) & fields:
            found = evaluated(expr, lambda ref: of(STRING, tags.get(ref.name, "") if isinstance(ref, Ref) else ""))
            return bool(is_true(found))
        case _:
            return None


def grouped(blocks: Sequence[Block], dimensions: Sequence[str]) -> dict[GroupKey, Group]:
    """In order."""
    found: dict[GroupKey, list[Block]] = {}
    for block in blocks:
        key = block.name, tuple(block.tags.get(tag, "") for tag in dimensions)
        found.setdefault(key, []).append(block)
    return {key: Group(found[key]) for key in sorted(found)}

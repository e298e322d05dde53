"""Operators between two vectors: which element meets which."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from strata_core.promql.arithmetic import computed, keeps_name
from strata_core.promql.budget import Budget
from strata_core.promql.errors import PromqlExecutionError
from strata_core.promql.matrix import Flags, Labels, Matrix, labels_of, merged
from strata_core.promql.syntax import NAME, Binary, Cardinality, Matching


def combined(expression: Binary, left: Matrix, right: Matrix, budget: Budget) -> Matrix:
    """Raises PromqlExecutionError where an element would have several to meet."""
    matching, op = expression.matching, expression.op
    is_turned = matching.cardinality is Cardinality.ONE_TO_MANY
    many, one = (right, left) if is_turned else (left, right)
    ones = _groups(one, matching)
    _refuse_doubled(one, ones.values(), many.is_any(), is_left=is_turned)
    pairs = [
        (row, other) for row, labels in enumerate(many.labels) for other in ones.get(signature(labels, matching), ())
    ]
    budget.allow(len(pairs), many.values.shape[1])
    rows = np.array([pair[0] for pair in pairs], np.intp)
    others = np.array([pair[1] for pair in pairs], np.intp)
    present = many.present[rows] & one.present[others]
    sides = many.values[rows], one.values[others]
    before, after = sides[::-1] if is_turned else sides
    values = computed(op, before, after)
    has_name = keeps_name(op, is_bool=expression.is_bool)
    if has_name:
        present &= values != 0
        values = before
    labels = [_labels(many.labels[row], one.labels[other], matching, has_name=has_name) for row, other in pairs]
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        _refuse_several([signature(many.labels[row], matching) for row, _ in pairs], present)
    return merged(Matrix(labels, values, present))


def both(left: Matrix, right: Matrix, matching: Matching) -> Matrix:
    return Matrix(left.labels, left.values, left.present & _met(left, right, matching))


def unless(left: Matrix, right: Matrix, matching: Matching) -> Matrix:
    return Matrix(left.labels, left.values, left.present & ~_met(left, right, matching))


def either(left: Matrix, right: Matrix, matching: Matching) -> Matrix:
    added = unless(right, left, matching)
    return merged(
        Matrix(
            [*left.labels, *added.labels],
            np.concatenate((left.values, added.values)),
            np.concatenate((left.present, added.present)),
        )
    )


def signature(labels: Labels, matching: Matching) -> Labels:
    if matching.is_on:
        return tuple(pair for pair in labels if pair[0] in matching.labels)
    return tuple(pair for pair in labels if pair[0] != NAME and pair[0] not in matching.labels)


def _groups(matrix: Matrix, matching: Matching) -> Mapping[Labels, list[int]]:
    groups: defaultdict[Labels, list[int]] = defaultdict(list)
    for row, labels in enumerate(matrix.labels):
        groups[signature(labels, matching)].append(row)
    return groups


def _met(matrix: Matrix, other: Matrix, matching: Matching) -> Flags:
    """Where an element of `matrix` has one of the other with its labels."""
    met = np.zeros(matrix.present.shape, np.bool_)
    groups = {found: other.present[rows].any(axis=0) for found, rows in _groups(other, matching).items()}
    for row, labels in enumerate(matrix.labels):
        present = groups.get(signature(labels, matching))
        if present is not None:
            met[row] = present
    return met


def _refuse_doubled(one: Matrix, groups: Iterable[list[int]], asked: Flags, *, is_left: bool) -> None:
    for rows in groups:
        if len(rows) > 1 and ((one.present[rows].sum(axis=0) > 1) & asked).any():
            side = "left" if is_left else "right"
            raise PromqlExecutionError(
                f"found duplicate series for the match group on the {side} hand-side of the operation: "
                f"{_told(one.labels[rows[0]])} and {_told(one.labels[rows[1]])}; many-to-many matching not allowed: "
                "matching labels must be unique on one side"
            )


def _refuse_several(groups: Sequence[Labels], present: Flags) -> None:
    places: defaultdict[Labels, list[int]] = defaultdict(list)
    for row, found in enumerate(groups):
        places[found].append(row)
    for rows in places.values():
        if len(rows) > 1 and (present[rows].sum(axis=0) > 1).any():
            raise PromqlExecutionError(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            )


def _labels(many: Labels, one: Labels, matching: Matching, *, has_name: bool) -> Labels:
    found = {name: value for name, value in many if has_name or name != NAME}
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        keep = matching.is_on
        found = {name: value for name, value in found.items() if (name in matching.labels) is keep}
    others = dict(one)
    found |= {name: others.get(name, "") for name in matching.included}
    return labels_of(found)


def _told(labels: Labels) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels) + "}"

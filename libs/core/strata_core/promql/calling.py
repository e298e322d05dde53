"""The functions of PromQL, by what they are called."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import numpy as np

from strata_core.promql import calendar, functions, labelling
from strata_core.promql.histogram import histogram_quantile
from strata_core.promql.matrix import (
    Floats,
    Instants,
    Labels,
    Matrix,
    labels_of,
    one_series,
    refuse_same_labels,
    shown,
    without_name,
)
from strata_core.promql.syntax import NAME, Call, Expression, MatchOp, RangeSelector, Selector, bare
from strata_core.promql.windows import (
    FUNCTIONS_OF_RANGES,
    Gathered,
    Outcome,
    Ranges,
    Windows,
    folded,
    line_through,
    quantiles,
)


class Walk(Protocol):
    """The evaluation that a function is called in."""

    @property
    def steps(self) -> Instants: ...

    def vector(self, expression: Expression) -> Matrix: ...

    def numbers(self, expression: Expression) -> Floats: ...

    def text(self, expression: Expression) -> str: ...

    def ranges(self, expression: Expression) -> Ranges:
        """Of a range selector or a subquery."""
        ...

    def standing(self, selector: Selector) -> tuple[Matrix, Instants]:
        """With the times of the samples."""
        ...


def called(walk: Walk, call: Call) -> Matrix | Floats:
    name, arguments = call.function, call.arguments
    if name in FUNCTIONS_OF_RANGES:
        return over(walk.ranges(arguments[0]), FUNCTIONS_OF_RANGES[name], keeps_name=name == "last_over_time")
    if name in functions.OF_ONE:
        return walk.vector(arguments[0]).mapped(functions.OF_ONE[name])
    return _CALLS[name](walk, call)


def _of_time(walk: Walk, call: Call) -> Matrix:
    asked = walk.vector(call.arguments[0]) if call.arguments else one_series((), walk.steps / 1_000)
    return asked.mapped(lambda values: calendar.part_of(call.function, values))


def _clamp(walk: Walk, call: Call) -> Matrix:
    vector, bounds = walk.vector(call.arguments[0]), [walk.numbers(each) for each in call.arguments[1:]]
    match call.function:
        case "clamp_min":
            return vector.mapped(lambda values: np.maximum(bounds[0], values))
        case "clamp_max":
            return vector.mapped(lambda values: np.minimum(bounds[0], values))
        case _:
            return functions.clamped(vector, *bounds)


def _round(walk: Walk, call: Call) -> Matrix:
    nearest = walk.numbers(call.arguments[1]) if len(call.arguments) > 1 else np.ones(len(walk.steps))
    with np.errstate(all="ignore"):
        return functions.rounded(walk.vector(call.arguments[0]), nearest)


def _sorted(walk: Walk, call: Call) -> Matrix:
    vector = shown(walk.vector(call.arguments[0]))
    return functions.in_order(vector, is_descending=call.function == "sort_desc")


def _timestamp(walk: Walk, call: Call) -> Matrix:
    """Of a selector that of its samples, of anything else that of the step."""
    asked = bare(call.arguments[0])
    if isinstance(asked, Selector):
        found, times = walk.standing(asked)
        return found.with_values(times / 1_000)
    found = walk.vector(asked)
    return found.with_values(np.broadcast_to(walk.steps / 1_000, found.values.shape))


def _absent(walk: Walk, call: Call) -> Matrix:
    return functions.where_absent(walk.vector(call.arguments[0]), _told_by(bare(call.arguments[0])))


def _absent_over_time(walk: Walk, call: Call) -> Matrix:
    held = computed_over(walk.ranges(call.arguments[0]), FUNCTIONS_OF_RANGES["present_over_time"])
    return functions.where_absent(held, _told_by(bare(call.arguments[0])))


def _predicted(walk: Walk, call: Call) -> Matrix:
    ahead_s = walk.numbers(call.arguments[1])

    def predict(gathered: Gathered) -> Floats:
        slope, height = line_through(gathered, walk.steps[gathered.columns])
        return slope * ahead_s[gathered.columns] + height

    return over(walk.ranges(call.arguments[0]), lambda found: folded(found, predict, least=2))


def _quantile_over_time(walk: Walk, call: Call) -> Matrix:
    wanted = walk.numbers(call.arguments[0])
    return over(
        walk.ranges(call.arguments[1]),
        lambda found: folded(found, lambda gathered: quantiles(gathered, wanted[gathered.columns])),
    )


def _histogram_quantile(walk: Walk, call: Call) -> Matrix:
    return histogram_quantile(walk.numbers(call.arguments[0]), walk.vector(call.arguments[1]))


def _label_replace(walk: Walk, call: Call) -> Matrix:
    texts = [walk.text(each) for each in call.arguments[1:]]
    return labelling.label_replace(walk.vector(call.arguments[0]), *texts)


def _label_join(walk: Walk, call: Call) -> Matrix:
    target, separator, *sources = [walk.text(each) for each in call.arguments[1:]]
    return labelling.label_join(walk.vector(call.arguments[0]), target, separator, sources)


def computed_over(ranges: Ranges, compute: Callable[[Windows], Outcome]) -> Matrix:
    """Under the labels of the samples."""
    labels = ranges.samples.labels
    values = np.empty((len(labels), len(ranges.ends)))
    present = np.empty(values.shape, np.bool_)
    with np.errstate(all="ignore"):
        for rows, windows in ranges.blocks():
            values[rows], present[rows] = compute(windows)
    return Matrix(labels, values, present)


def over(ranges: Ranges, compute: Callable[[Windows], Outcome], *, keeps_name: bool = False) -> Matrix:
    found = shown(computed_over(ranges, compute))
    if not keeps_name:
        found = Matrix([without_name(each) for each in found.labels], found.values, found.present)
    refuse_same_labels(found.labels)
    return found


def _told_by(asked: Expression) -> Labels:
    """What a selector says of a series that it would find, were there one."""
    selector = asked.selector if isinstance(asked, RangeSelector) else asked
    if not isinstance(selector, Selector):
        return ()
    named: dict[str, str] = {}
    for each in selector.matchers:
        is_told = each.op is MatchOp.EQUAL and each.label not in named
        named[each.label] = each.value if is_told else ""
    return labels_of({name: value for name, value in named.items() if name != NAME})


_CALLS: Final[Mapping[str, Callable[[Walk, Call], Matrix | Floats]]] = {
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    **dict.fromkeys(("clamp", "clamp_max", "clamp_min"), _clamp),
    **dict.fromkeys(calendar.PARTS, _of_time),
    "histogram_quantile": _histogram_quantile,
    "label_join": _label_join,
    "label_replace": _label_replace,
    "pi": lambda walk, _: np.full(len(walk.steps), np.pi),
    "predict_linear": _predicted,
    "quantile_over_time": _quantile_over_time,
    "round": _round,
    "scalar": lambda walk, call: functions.only_one(walk.vector(call.arguments[0])),
    "sort": _sorted,
    "sort_desc": _sorted,
    "time": lambda walk, _: walk.steps / 1_000,
    "timestamp": _timestamp,
    "vector": lambda walk, call: one_series((), walk.numbers(call.arguments[0])),
}

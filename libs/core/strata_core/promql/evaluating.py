"""Walks a query, part by part, each at all of its steps at once."""

from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np

from strata_core.promql import aggregating, labelling, matching
from strata_core.promql.arithmetic import computed, with_number
from strata_core.promql.budget import Budget
from strata_core.promql.calling import called
from strata_core.promql.matrix import Floats, Instants, Matrix, shown
from strata_core.promql.samples import LOOKBACK_MS, Samples, flattened, standing
from strata_core.promql.syntax import (
    AGGREGATIONS,
    SET_OPS,
    Aggregation,
    Anchor,
    Binary,
    Call,
    Expression,
    Matcher,
    Moment,
    Number,
    Parentheses,
    RangeSelector,
    Selector,
    Signed,
    Subquery,
    Text,
    ValueType,
    bare,
)
from strata_core.promql.windows import Ranges

SUBQUERY_STEP_MS: Final = 60_000
"""Of a subquery that names none: Prometheus' own default."""
_SET_OPS: Final = {"and": matching.both, "or": matching.either, "unless": matching.unless}
Value = Matrix | Floats | str
"""A vector at each step, a number at each step, or a text."""


class SampleSource(Protocol):
    def samples(self, matchers: tuple[Matcher, ...], from_ms: int, to_ms: int) -> Samples:
        """Of all series that match, from the first to the last instant, both included."""
        ...


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`whole` is where the query as a whole begins and ends, which `@ start()` and `@ end()` mean."""

    steps: Instants
    whole: tuple[int, int]
    source: SampleSource
    budget: Budget

    def value(self, expression: Expression) -> Value:  # noqa: PLR0911 - one for each kind
        self.budget.check()
        match expression:
            case Number(value):
                return np.full(len(self.steps), value)
            case Text(value):
                return value
            case Parentheses(body):
                return self.value(body)
            case Selector():
                return self.standing(expression)[0]
            case Signed():
                return self._signed(expression)
            case Binary():
                return self._binary(expression)
            case Aggregation():
                return self._aggregated(expression)
            case Call():
                return called(self, expression)
            case RangeSelector() | Subquery():
                raise TypeError("a range has a value only as an argument")

    def vector(self, expression: Expression) -> Matrix:
        found = self.value(expression)
        if not isinstance(found, Matrix):
            raise TypeError("not a vector")
        self.budget.allow(*found.values.shape)
        return found

    def numbers(self, expression: Expression) -> Floats:
        found = self.value(expression)
        if not isinstance(found, np.ndarray):
            raise TypeError("not a number")
        return found

    def text(self, expression: Expression) -> str:
        found = self.value(expression)
        if not isinstance(found, str):
            raise TypeError("not a text")
        return found

    def ranges(self, expression: Expression) -> Ranges:
        """Of a range selector or a subquery."""
        match bare(expression):
            case RangeSelector(selector, range_ms):
                ends = self._instants(selector.moment)
                samples = self._found(selector, int(ends.min()) - range_ms, int(ends.max()))
            case Subquery() as subquery:
                ends, range_ms = self._instants(subquery.moment), subquery.range_ms
                samples = self._inner(subquery, int(ends.min()) - range_ms, int(ends.max()))
            case _:
                raise TypeError("not a range")
        self.budget.allow(len(samples.labels), len(self.steps))
        return Ranges(samples, ends, range_ms, self.budget)

    def _inner(self, subquery: Subquery, from_ms: int, to_ms: int) -> Samples:
        every = subquery.step_ms or SUBQUERY_STEP_MS
        # Its steps are multiples of their length, whenever the query is asked.
        begin = -(-from_ms // every) * every
        self.budget.allow(1, max((to_ms - begin) // every + 1, 0))
        steps = np.arange(begin, to_ms + 1, every, dtype=np.int64)
        if not len(steps):
            return Samples([], np.zeros(1, np.int64), steps, np.empty(0))
        inner = replace(self, steps=steps)
        return flattened(shown(inner.vector(subquery.body)), steps)

    def standing(self, selector: Selector) -> tuple[Matrix, Instants]:
        instants = self._instants(selector.moment)
        samples = self._found(selector, int(instants.min()) - LOOKBACK_MS, int(instants.max()))
        self.budget.allow(len(samples.labels), len(self.steps))
        return standing(samples, instants)

    def _found(self, selector: Selector, from_ms: int, to_ms: int) -> Samples:
        self.budget.check()
        return self.source.samples(selector.matchers, from_ms, to_ms)

    def _instants(self, moment: Moment) -> Instants:
        pinned = moment.pinned
        if pinned is None:
            return self.steps - moment.offset_ms
        if isinstance(pinned, Anchor):
            pinned = self.whole[0] if pinned is Anchor.START else self.whole[1]
        return np.full(len(self.steps), pinned - moment.offset_ms, np.int64)

    def _signed(self, expression: Signed) -> Value:
        found = self.value(expression.body)
        if expression.sign == "+" or isinstance(found, str):
            return found
        return found.mapped(np.negative) if isinstance(found, Matrix) else -found

    def _binary(self, expression: Binary) -> Value:
        left, right, op = self.value(expression.left), self.value(expression.right), expression.op
        match left, right:
            case Matrix(), Matrix() if op in SET_OPS:
                return _SET_OPS[op](left, right, expression.matching)
            case Matrix(), Matrix():
                return matching.combined(expression, left, right, self.budget)
            case Matrix(), np.ndarray():
                return with_number(op, left, right, is_left=False, is_bool=expression.is_bool)
            case np.ndarray(), Matrix():
                return with_number(op, right, left, is_left=True, is_bool=expression.is_bool)
            case np.ndarray(), np.ndarray():
                return computed(op, left, right)
            case _:
                raise TypeError("not operands")

    def _aggregated(self, expression: Aggregation) -> Matrix:
        body = self.vector(expression.body)
        parameter = expression.parameter
        if parameter is None:
            return aggregating.aggregated(expression, body)
        if AGGREGATIONS[expression.op] is ValueType.STRING:
            label = labelling.checked_label(self.text(parameter))
            steps = len(self.steps)
            return aggregating.count_values(expression, body, label, lambda rows: self.budget.allow(rows, steps))
        compute = aggregating.quantile if expression.op == "quantile" else aggregating.ranked
        return compute(expression, body, self.numbers(parameter))

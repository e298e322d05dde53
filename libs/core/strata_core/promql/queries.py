"""Queries as Prometheus' API takes them: of an instant, or of a range in steps."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, is_dataclass
from typing import Final

import numpy as np

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.ports.clock import Clock
from strata_core.ports.metric_readings import MetricReadings
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.promql.budget import Budget
from strata_core.promql.checking import checked
from strata_core.promql.errors import PromqlRequestError
from strata_core.promql.evaluating import Evaluation
from strata_core.promql.finding import found_series, pairs_sent
from strata_core.promql.matrix import Floats, Instants, Matrix, shown
from strata_core.promql.parser import parsed
from strata_core.promql.reading import ReadSamples
from strata_core.promql.samples import Samples
from strata_core.promql.stretches import stretches_of
from strata_core.promql.syntax import Expression, Matcher, Selector, ValueType
from strata_core.rollups.knowledge import TierStates
from strata_datamodel.errors import LimitError
from strata_datamodel.limits import PROMQL_SELECTORS, PROMQL_STEPS, PROMQL_TIMEOUT_S

_FARTHEST_MS: Final = 2**63 // 1_000_000 - 1


@dataclass(frozen=True, slots=True)
class PromqlDeps:
    """`unit` opens a transaction of the caller's organization."""

    unit: Callable[[], AbstractContextManager[UnitOfWork]]
    store: MetricReadings
    tiers: TierStates
    clock: Clock


@dataclass(frozen=True, slots=True)
class PromqlAnswer:
    """`value` is a vector at each of the steps, a number at each, a text, or the samples of a range."""

    value: Matrix | Floats | str | Samples
    steps: Instants
    warnings: tuple[str, ...] = ()


def instant_answer(
    ctx: Context, deps: PromqlDeps, query: str, at_ms: int, timeout_s: float = PROMQL_TIMEOUT_S
) -> PromqlAnswer:
    """Raises PromqlParseError, PromqlUnsupportedError, PromqlExecutionError, LimitError, DeadlineError and
    StoreUnavailableError."""
    require(ctx, "metrics:read")
    expression = parsed(query)
    return _answered(ctx, deps, expression, checked(query, expression), (at_ms, at_ms, 1), timeout_s)


def range_answer(
    ctx: Context, deps: PromqlDeps, query: str, span_ms: tuple[int, int, int], timeout_s: float = PROMQL_TIMEOUT_S
) -> PromqlAnswer:
    """`span_ms` is the first instant, the last, and the step between. Raises PromqlRequestError for one that cannot
    be, and the same as `instant_answer`."""
    require(ctx, "metrics:read")
    begin_ms, end_ms, step_ms = span_ms
    if end_ms < begin_ms:
        raise PromqlRequestError("end timestamp must not be before start time")
    if step_ms <= 0:
        raise PromqlRequestError("zero or negative query resolution step widths are not accepted")
    if (end_ms - begin_ms) // step_ms > PROMQL_STEPS:
        raise PromqlRequestError(
            f"exceeded maximum resolution of {PROMQL_STEPS:,} points per timeseries. Try decreasing the query "
            "resolution (?step=XX)"
        )
    expression = parsed(query)
    found = checked(query, expression)
    if found not in {ValueType.SCALAR, ValueType.VECTOR}:
        raise PromqlRequestError(f'invalid expression type "{found}" for range query, must be Scalar or instant Vector')
    return _answered(ctx, deps, expression, found, span_ms, timeout_s)


def _answered(
    ctx: Context,
    deps: PromqlDeps,
    expression: Expression,
    found: ValueType,
    span_ms: tuple[int, int, int],
    timeout_s: float,
) -> PromqlAnswer:
    begin_ms, end_ms, step_ms = span_ms
    if max(abs(begin_ms), abs(end_ms)) > _FARTHEST_MS:
        raise PromqlRequestError("the time has to lie within 1677 to 2262")
    budget = Budget(deps.clock, deps.clock.monotonic_s() + min(timeout_s, PROMQL_TIMEOUT_S))
    steps = np.arange(begin_ms, end_ms + 1, step_ms, dtype=np.int64)
    source, warnings = _source(ctx, deps, expression)
    evaluation = Evaluation(steps, (begin_ms, end_ms), source, budget)
    if found is ValueType.MATRIX:
        return PromqlAnswer(evaluation.ranges(expression).samples.without_marks(), steps, warnings)
    value = evaluation.value(expression)
    return PromqlAnswer(shown(value) if isinstance(value, Matrix) else value, steps, warnings)


def _source(ctx: Context, deps: PromqlDeps, expression: Expression) -> tuple[ReadSamples, tuple[str, ...]]:
    """All series are found before the first point is read: no transaction stays open meanwhile."""
    asked = dict.fromkeys(_matchers(expression))
    if len(asked) > PROMQL_SELECTORS:
        raise LimitError(f"more than {PROMQL_SELECTORS} selectors in one query", code="promql_selectors")
    if not asked:
        return ReadSamples(ctx.organization_id, deps.store, {}, lambda *_: ()), ()
    with deps.unit() as uow:
        pairs = pairs_sent(uow)
        found = {matchers: found_series(uow, matchers, pairs) for matchers in asked}
    state = deps.tiers.of(ctx.organization_id, deps.clock.now_ns())
    warnings = tuple(dict.fromkeys(text for each in found.values() for text in each.warnings))
    return (
        ReadSamples(ctx.organization_id, deps.store, found, lambda from_ns, to_ns: stretches_of(state, from_ns, to_ns)),
        warnings,
    )


def _matchers(part: object) -> Iterator[tuple[Matcher, ...]]:
    """Of each selector in it."""
    if isinstance(part, Selector):
        yield part.matchers
    elif isinstance(part, tuple):
        for each in part:
            yield from _matchers(each)
    elif is_dataclass(part):
        for field in fields(part):
            yield from _matchers(getattr(part, field.name))

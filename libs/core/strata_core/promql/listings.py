"""Which series, labels and values there are: what editors of queries and dashboards' variables ask."""

from collections.abc import Sequence

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.promql.checking import checked
from strata_core.promql.errors import PromqlParseError
from strata_core.promql.finding import found_series, pairs_sent, tags_sent, values_sent
from strata_core.promql.matrix import Labels
from strata_core.promql.names import label_name, metric_name
from strata_core.promql.parser import parsed
from strata_core.promql.syntax import NAME, Matcher, Selector
from strata_datamodel.limits import PROMQL_LISTED


def selected(text: str) -> tuple[Matcher, ...]:
    """Of a `match[]`. Raises PromqlParseError."""
    expression = parsed(text)
    checked(text, expression)
    if not isinstance(expression, Selector):
        raise PromqlParseError(text, 0, "expected a series selector")
    return expression.matchers


def series_listed(ctx: Context, uow: UnitOfWork, selectors: Sequence[tuple[Matcher, ...]]) -> list[Labels]:
    """Each once, in order, whenever they were last sent. Raises LimitError (code `query_series`)."""
    require(ctx, "metrics:read")
    pairs = pairs_sent(uow)
    found = {labels for each in selectors for labels in found_series(uow, each, pairs, PROMQL_LISTED).labels}
    return sorted(found)


def labels_listed(ctx: Context, uow: UnitOfWork, selectors: Sequence[tuple[Matcher, ...]]) -> list[str]:
    require(ctx, "metrics:read")
    if selectors:
        return sorted({name for labels in series_listed(ctx, uow, selectors) for name, _ in labels})
    tags = tags_sent(uow)
    return sorted({NAME, *map(label_name, tags)}) if tags or pairs_sent(uow) else []


def values_listed(ctx: Context, uow: UnitOfWork, label: str, selectors: Sequence[tuple[Matcher, ...]]) -> list[str]:
    require(ctx, "metrics:read")
    if selectors:
        listed = series_listed(ctx, uow, selectors)
        return sorted({value for labels in listed for name, value in labels if name == label})
    if label == NAME:
        return sorted({metric_name(*pair) for pair in pairs_sent(uow)})
    return values_sent(uow, [tag for tag in tags_sent(uow) if label_name(tag) == label])

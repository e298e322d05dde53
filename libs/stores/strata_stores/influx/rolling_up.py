# ruff: noqa: S608 - the statements are put together from quoted names and bound values, nothing else
"""Windows of a tier, made from the tier above: read as a stream, folded, written back."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from strata_datamodel.ids import OrganizationId
from strata_datamodel.tiers import ABOVE, RESOLUTION_NS, RolledUp, Tier
from strata_stores.influx.answering import Ask
from strata_stores.influx.answers import ResultSeries
from strata_stores.influx.dialect import Span
from strata_stores.influx.influxql import Bindings, Place, all_field_keys, is_of_any, within
from strata_stores.influx.names import COUNTS, Column, field_of, field_of_count, window_field
from strata_stores.influx.refusals import is_accepted, is_too_old
from strata_stores.influx.transport import Reply
from strata_stores.influx.window_lines import bodies, prefixes, window_lines
from strata_stores.influx.window_rows import Field, gathered, selected, windows_in
from strata_stores.influx.windows import fold

_WINDOWS_A_SLICE: Final = 60
_STATEMENTS_A_REQUEST: Final = 32
_ORGANIZATIONS_A_REQUEST: Final = 100
# A row has a place for each field that is asked for, whosever it is: all of a measurement's would be mostly empty.
_POINTS_A_STATEMENT: Final = 16
_WINDOWS_A_STATEMENT: Final = 2

T = TypeVar("T")
Catalogue = Mapping[str, Sequence[Field]]
"""Fields by measurement, as InfluxDB calls it."""
Group = tuple[str, Sequence[Field]]


@dataclass(frozen=True, slots=True)
class Link:
    """To one InfluxDB, with time for long work."""

    database: str
    ask: Ask
    post: Callable[[Tier, bytes], Reply]
    delete: Callable[[Span], None]


@dataclass(frozen=True, slots=True)
class Selection:
    """What is rolled up: windows in [from_ns, to_ns), of some organizations or of all."""

    tier: Tier
    from_ns: int
    to_ns: int
    organization_ids: Sequence[OrganizationId] | None

    def terms(self, bindings: Bindings) -> str:
        terms = list(within(self.from_ns, self.to_ns))
        if self.organization_ids is not None:
            terms.insert(0, is_of_any(self.organization_ids, bindings))
        return " AND ".join(terms)


@dataclass(slots=True)
class Done:
    points: int = 0
    windows: Counter[tuple[str, Field]] = field(default_factory=Counter)


def roll_up(
    link: Link, tier: Tier, from_ns: int, to_ns: int, organization_ids: Collection[OrganizationId] | None
) -> RolledUp:
    catalogue = fields_of(link, tier)
    points = windows = 0
    for selection in _selections(tier, from_ns, to_ns, organization_ids):
        done = _write_windows(link, selection, catalogue)
        points += done.points
        windows += done.windows.total()
        with_gone = _with_more_windows(link, selection, catalogue, done)
        for span in _spans(selection, with_gone):
            link.delete(span)
        _write_windows(link, selection, with_gone)
    return RolledUp(points, windows)


def fields_of(link: Link, tier: Tier) -> Catalogue:
    """What may be in a tier or in the one above it, whosever it is."""
    tiers = (ABOVE[tier], tier)
    found: dict[str, dict[Field, None]] = {}
    with link.ask([all_field_keys(Place(link.database, each)) for each in tiers], Bindings()) as parts:
        for part in parts:
            names = [str(row[0]) for row in part.values]
            is_raw = tiers[part.statement] is Tier.RAW
            fields = (field_of(name) if is_raw else field_of_count(name) for name in names)
            found.setdefault(part.name, {}).update({each: None for each in fields if each is not None})
    return {measurement: tuple(fields) for measurement, fields in found.items()}


def pieces(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]


def _selections(
    tier: Tier, from_ns: int, to_ns: int, organization_ids: Collection[OrganizationId] | None
) -> Iterator[Selection]:
    """Slices of time, so that no answer takes too long."""
    width_ns = _WINDOWS_A_SLICE * RESOLUTION_NS[tier]
    some: list[Sequence[OrganizationId] | None] = [None]
    if organization_ids is not None:
        some = [*pieces(tuple(organization_ids), _ORGANIZATIONS_A_REQUEST)]
    for start in range(from_ns, to_ns, width_ns):
        for each in some:
            yield Selection(tier, start, min(start + width_ns, to_ns), each)


def _write_windows(link: Link, selection: Selection, catalogue: Catalogue) -> Done:
    done = Done()
    above = Place(link.database, ABOVE[selection.tier])
    size = _POINTS_A_STATEMENT if above.tier is Tier.RAW else _WINDOWS_A_STATEMENT
    groups = [(name, some) for name, fields in catalogue.items() for some in pieces(fields, size)]
    for request in pieces(groups, _STATEMENTS_A_REQUEST):
        bindings = Bindings()
        terms = selection.terms(bindings)
        statements = [
            f"SELECT {selected(above, fields)} FROM {above.physical_source(name)} WHERE {terms} GROUP BY *"
            for name, fields in request
        ]
        with link.ask(statements, bindings) as parts:
            _write_answer(link, selection.tier, parts, request, done)
    return done


def _write_answer(link: Link, tier: Tier, parts: Iterable[ResultSeries], request: Sequence[Group], done: Done) -> None:
    for body in bodies(_lines(tier, parts, request, done)):
        reply = link.post(tier, body)
        # What is older than the tier keeps is let go by it as soon as it is written: no loss, and no error.
        if not is_accepted(reply) and not is_too_old(reply):
            raise reply.unavailable()


def _lines(tier: Tier, parts: Iterable[ResultSeries], request: Sequence[Group], done: Done) -> Iterator[str]:
    width_ns = RESOLUTION_NS[tier]
    for rows in gathered(parts, width_ns):
        measurement, fields = request[rows.statement]
        begin = prefixes(measurement, tier, rows.tags)
        for each, windows in windows_in(rows, ABOVE[tier], fields):
            folded = fold(windows, width_ns)
            done.points += len(windows)
            done.windows[measurement, each] += len(folded)
            yield from window_lines(begin, each, folded)


def _with_more_windows(link: Link, selection: Selection, catalogue: Catalogue, done: Done) -> Catalogue:
    """Where the tier holds windows that were not just written: nothing is there above any more."""
    place = Place(link.database, selection.tier)
    found: dict[str, Sequence[Field]] = {}
    for request in pieces(list(catalogue), _STATEMENTS_A_REQUEST):
        bindings = Bindings()
        terms = selection.terms(bindings)
        statements = [f"SELECT count({COUNTS}) FROM {place.physical_source(name)} WHERE {terms}" for name in request]
        with link.ask(statements, bindings) as parts:
            for part in parts:
                measurement = request[part.statement]
                counts = dict(zip(part.columns, part.values[0], strict=True))
                if any(_counted(counts, each) > done.windows[measurement, each] for each in catalogue[measurement]):
                    found[measurement] = catalogue[measurement]
    return found


def _counted(counts: Mapping[str, int | None], each: Field) -> int:
    return counts.get(f"count_{window_field(*each, Column.COUNT)}") or 0


def _spans(selection: Selection, catalogue: Catalogue) -> Iterator[Span]:
    for measurement in catalogue:
        for organization_id in selection.organization_ids or (None,):
            yield Span(selection.tier, selection.from_ns, selection.to_ns, organization_id, measurement)

# ruff: noqa: S608 - the statements are put together from quoted names and bound values, nothing else
"""Where a tier counts other than the tier above."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strata_datamodel.ids import OrganizationId
from strata_datamodel.tiers import ABOVE, RESOLUTION_NS, Gap, Tier
from strata_stores.influx.influxql import Bindings, Place, identifier, is_of, within
from strata_stores.influx.names import Column, physical_field, window_field
from strata_stores.influx.rolling_up import Group, Link, fields_of, pieces
from strata_stores.influx.window_rows import Field

_HOUR_NS: Final = RESOLUTION_NS[Tier.HOUR]
_FIELDS_A_STATEMENT: Final = 16
_STATEMENTS_A_REQUEST: Final = 16

Spot = tuple[str, Field, int]
"""A measurement, a field, and the start of a window."""


@dataclass(frozen=True, slots=True)
class _Range:
    organization_id: OrganizationId
    from_ns: int
    to_ns: int
    width_ns: int


def gaps(link: Link, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int) -> tuple[Gap, ...]:
    """By the hour first, and by the window only where hours differ."""
    groups = [
        (measurement, some)
        for measurement, fields in fields_of(link, tier).items()
        for some in pieces(fields, _FIELDS_A_STATEMENT)
    ]
    whole = _Range(organization_id, from_ns, to_ns, _HOUR_NS)
    found = []
    for hour in sorted({start for _, _, start in _differences(link, tier, groups, whole)}):
        part = _Range(organization_id, max(hour, from_ns), min(hour + _HOUR_NS, to_ns), RESOLUTION_NS[tier])
        found.append(Gap(part.from_ns, part.to_ns, len(_differences(link, tier, groups, part))))
    return tuple(found)


def _differences(link: Link, tier: Tier, groups: list[Group], over: _Range) -> set[Spot]:
    differing: set[Spot] = set()
    for request in pieces(groups, _STATEMENTS_A_REQUEST):
        above, here = _counts(link, ABOVE[tier], request, over), _counts(link, tier, request, over)
        differing |= {spot for spot in above.keys() | here.keys() if above.get(spot) != here.get(spot)}
    return differing


def _counts(link: Link, tier: Tier, request: Sequence[Group], over: _Range) -> dict[Spot, int]:
    bindings = Bindings()
    terms = " AND ".join((is_of(over.organization_id, bindings), *within(over.from_ns, over.to_ns)))
    place = Place(link.database, tier)
    statements = [
        f"SELECT {', '.join(_count(each, tier) for each in fields)} FROM {place.physical_source(measurement)} "
        f"WHERE {terms} GROUP BY time({over.width_ns}ns) fill(none)"
        for measurement, fields in request
    ]
    counts: dict[Spot, int] = {}
    with link.ask(statements, bindings) as parts:
        for part in parts:
            measurement, fields = request[part.statement]
            for start, *row in part.values:
                counted = zip(fields, row, strict=True)
                counts |= {(measurement, each, start): int(count) for each, count in counted if count}
    return counts


def _count(each: Field, tier: Tier) -> str:
    if tier is Tier.RAW:
        return f"count({identifier(physical_field(*each))})"
    return f"sum({identifier(window_field(*each, Column.COUNT))})"

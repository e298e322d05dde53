"""Hosts and services that telemetry speaks of, each told to the inventory now and then and not with every batch."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from strata_core.inventory.rules import TOUCH_INTERVAL
from strata_core.ports.clock import Clock
from strata_datamodel.ids import OrganizationId
from strata_datamodel.inventory import SERVICE_TAGS, Sighting
from strata_datamodel.latest import HOST_TAGS
from strata_datamodel.logs import LogEvent
from strata_datamodel.metrics import SeriesKey

# The first of each that is there counts. Names with dots are those that OpenTelemetry gives resources.
_ENVIRONMENT: Final = ("environment", "deployment.environment.name", "deployment.environment")
_DATACENTER: Final = ("datacenter", "cloud.availability_zone")
_REGION: Final = ("region", "cloud.region")
_PLACES: Final = (*_ENVIRONMENT, *_DATACENTER, *_REGION)
_KNOWN: Final = 200_000
_TOUCH_S: Final = TOUCH_INTERVAL.total_seconds()


def sightings_in_series(series: Iterable[SeriesKey], seen_at: datetime) -> Iterator[Sighting]:
    for tags in {key.tags for key in series}:
        named = dict(tags)
        yield from _sighting(named, _first(named, HOST_TAGS), _first(named, SERVICE_TAGS), seen_at)


def host_of(series: SeriesKey) -> str | None:
    return _first(dict(series.tags), HOST_TAGS)


def sightings_in_events(events: Iterable[LogEvent], seen_at: datetime) -> Iterator[Sighting]:
    """One a pair of host and service. Of two places the later counts, as in the throttle."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for event in events:
        pair = (event.host_id, event.service_id)
        places = found.get(pair)
        if places is None:
            places = found[pair] = {}
        if event.tags:
            places.update((name, place) for name in _PLACES if (place := event.tags.get(name)))
    for (host, service), places in found.items():
        yield from _sighting(places, host or None, service or None, seen_at)


@dataclass(frozen=True, slots=True)
class Due:
    """`new` ones must be told before their telemetry may be forgotten; `touches` say again that something is alive."""

    new: Sequence[Sighting]
    touches: Sequence[Sighting]


class SightingThrottle:
    """A change of place waits for the next touch: of a host with two places each batch would be a change.
    Forgets the longest untold when there are too many, which costs a query and nothing else."""

    def __init__(self, clock: Clock, limit: int = _KNOWN) -> None:
        self._clock = clock
        self._limit = limit
        self._told_s: OrderedDict[tuple[object, ...], float] = OrderedDict()

    def due(self, organization_id: OrganizationId, sightings: Iterable[Sighting]) -> Due:
        now_s = self._clock.monotonic_s()
        new: dict[tuple[object, ...], Sighting] = {}
        touches: dict[tuple[object, ...], Sighting] = {}
        for sighting in sightings:
            key = _key(organization_id, sighting)
            told_s = self._told_s.get(key)
            if told_s is None:
                new[key] = _joined(new.get(key), sighting)
            elif now_s - told_s >= _TOUCH_S:
                touches[key] = _joined(touches.get(key), sighting)
        return Due(tuple(new.values()), tuple(touches.values()))

    def told(self, organization_id: OrganizationId, sightings: Iterable[Sighting]) -> None:
        """Only after the commit: what was not written must be told again."""
        now_s = self._clock.monotonic_s()
        for sighting in sightings:
            key = _key(organization_id, sighting)
            self._told_s[key] = now_s
            self._told_s.move_to_end(key)
        while len(self._told_s) > self._limit:
            self._told_s.popitem(last=False)

    def forget(self, organization_id: OrganizationId) -> None:
        for key in [key for key in self._told_s if key[0] == organization_id]:
            del self._told_s[key]


def _key(organization_id: OrganizationId, sighting: Sighting) -> tuple[object, ...]:
    return organization_id, sighting.host_name, sighting.service_name


def _joined(earlier: Sighting | None, later: Sighting) -> Sighting:
    if earlier is None:
        return later
    return replace(
        later,
        seen_at=max(earlier.seen_at, later.seen_at),
        environment=later.environment or earlier.environment,
        datacenter=later.datacenter or earlier.datacenter,
        region=later.region or earlier.region,
    )


def _sighting(tags: Mapping[str, str], host: str | None, service: str | None, seen_at: datetime) -> Iterator[Sighting]:
    if host is not None or service is not None:
        environment, datacenter, region = (_first(tags, names) for names in (_ENVIRONMENT, _DATACENTER, _REGION))
        yield Sighting(host, service, seen_at, environment=environment, datacenter=datacenter, region=region)


def _first(tags: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((tags[name] for name in names if name in tags), None)

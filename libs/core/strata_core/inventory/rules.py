"""What a host or service may look like, and what telemetry may change about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from strata_datamodel.errors import InvalidError, Problem
from strata_datamodel.ids import HostId
from strata_datamodel.inventory import EntityStatus, Host, Service, Sighting, Source
from strata_datamodel.limits import METADATA_BYTES, NAME_LENGTH, TAG_LENGTH, TAGS_PER_ENTITY

TOUCH_INTERVAL: Final = timedelta(seconds=30)
"""`last_seen_at` is written this often at most: telemetry comes in many times a second."""


@dataclass(frozen=True, slots=True)
class HostDraft:
    """All of a host that a person may write."""

    name: str
    status: EntityStatus = EntityStatus.UNKNOWN
    environment: str | None = None
    datacenter: str | None = None
    region: str | None = None
    agent_version: str | None = None
    agent_config: Mapping[str, object] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceDraft:
    """All of a service that a person may write."""

    name: str
    host_id: HostId | None = None
    status: EntityStatus = EntityStatus.UNKNOWN
    environment: str | None = None
    health_check: Mapping[str, object] | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


Draft = HostDraft | ServiceDraft
_TEXTS: Final = ("environment", "datacenter", "region", "agent_version")
_DOCUMENTS: Final = ("agent_config", "metadata", "health_check")


def check_draft(draft: Draft) -> None:
    """Raises InvalidError (code `bad_inventory`) with every problem at once."""
    problems = _name_problems(draft.name) + _tag_problems(draft.tags)
    for name in _TEXTS:
        value = getattr(draft, name, None)
        if value is not None and not is_label(value):
            problems.append(Problem(f"/{name}", _LABEL_RULE))
    for name in _DOCUMENTS:
        size = len(msgspec.json.encode(getattr(draft, name, None)))
        if size > METADATA_BYTES:
            problems.append(Problem(f"/{name}", f"has {size} bytes as JSON, at most {METADATA_BYTES} are kept"))
    if problems:
        raise InvalidError("some values cannot be kept", code="bad_inventory", problems=problems)


_LABEL_RULE: Final = f"expected 1 to {NAME_LENGTH} printable characters, none of them blank at an end"


def is_label(text: str) -> bool:
    return 0 < len(text) <= NAME_LENGTH and text.isprintable() and text == text.strip()


def _name_problems(name: str) -> list[Problem]:
    return [] if is_label(name) else [Problem("/name", _LABEL_RULE)]


def _tag_problems(tags: Mapping[str, str]) -> list[Problem]:
    problems: list[Problem] = []
    if len(tags) > TAGS_PER_ENTITY:
        problems.append(Problem("/tags", f"has {len(tags)} tags, at most {TAGS_PER_ENTITY} are kept"))
    for key, value in tags.items():
        if not (
            0 < len(key) <= TAG_LENGTH and len(value) <= TAG_LENGTH and (key + value).replace(" ", "").isprintable()
        ):
            problems.append(
                Problem(f"/tags/{key[:40]}", f"key and value have at most {TAG_LENGTH} printable characters")
            )
    return problems[:TAGS_PER_ENTITY]


def merged_sightings(sightings: Iterable[Sighting]) -> dict[str, Sighting]:
    """One a host: the newest, completed by older ones where it says nothing. What could not be a host is left out, as
    telemetry must not be able to bring in what a person may not."""
    merged: dict[str, Sighting] = {}
    for sighting in sorted(sightings, key=lambda each: each.seen_at):
        name = sighting.host_name
        if name is not None and is_label(name):
            earlier = merged.get(name)
            merged[name] = sighting if earlier is None else _completed(sighting, earlier)
    return {name: _presentable(sighting) for name, sighting in merged.items()}


def _completed(newer: Sighting, older: Sighting) -> Sighting:
    return replace(
        newer,
        **{name: getattr(newer, name) or getattr(older, name) for name in _TEXTS},
        tags={**older.tags, **newer.tags},
    )


def _presentable(sighting: Sighting) -> Sighting:
    kept = {key: value for key, value in sighting.tags.items() if not _tag_problems({key: value})}
    bounded = dict(sorted(kept.items())[:TAGS_PER_ENTITY])
    texts: dict[str, Any] = {
        name: text if (text := getattr(sighting, name)) and is_label(text) else None for name in _TEXTS
    }
    return replace(sighting, **texts, tags=bounded)


def host_changes(host: Host, sighting: Sighting) -> dict[str, object]:
    """What telemetry may say about a host. Of one that a person wrote: only that it is alive, and only where they left
    its status open. Silence about something known is no change."""
    changes = _status_change(host)
    if host.source is Source.TELEMETRY:
        for name in _TEXTS:
            seen = getattr(sighting, name)
            if seen is not None and seen != getattr(host, name):
                changes[name] = seen
        tags = {**host.tags, **sighting.tags}
        if tags != host.tags and len(tags) <= TAGS_PER_ENTITY:
            changes["tags"] = tags
    return changes


def service_changes(service: Service) -> dict[str, object]:
    return _status_change(service)


def _status_change(entity: Host | Service) -> dict[str, object]:
    revived = entity.status is EntityStatus.DOWN and entity.source is Source.TELEMETRY
    return {"status": EntityStatus.UP} if revived or entity.status is EntityStatus.UNKNOWN else {}


def seen_services(
    sightings: Iterable[Sighting], host_ids: Mapping[str, HostId]
) -> dict[tuple[HostId | None, str], datetime]:
    """When each service was seen last. One on a host that there was no room for is left out with it."""
    seen: dict[tuple[HostId | None, str], datetime] = {}
    for sighting in sightings:
        name = sighting.service_name
        if (
            name is None
            or not is_label(name)
            or (sighting.host_name is not None and sighting.host_name not in host_ids)
        ):
            continue
        key = (host_ids[sighting.host_name] if sighting.host_name is not None else None, name)
        seen[key] = max(sighting.seen_at, seen.get(key, sighting.seen_at))
    return seen


def is_due_for_touch(last: datetime | None, seen_at: datetime) -> bool:
    return last is None or seen_at - last >= TOUCH_INTERVAL

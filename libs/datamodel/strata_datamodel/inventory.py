"""Hosts, services and their dependencies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from strata_datamodel.ids import HostId, ServiceId

SERVICE_TAGS: Final = ("service", "service_id", "application_name", "service.name")
"""The first of these that a series has names its service."""


class EntityStatus(StrEnum):
    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"
    MAINTENANCE = "maintenance"


class Source(StrEnum):
    """Who brought an entity in. What a person wrote, telemetry never overwrites."""

    MANUAL = "manual"
    TELEMETRY = "telemetry"


class DependencyKind(StrEnum):
    HARD = "hard"
    SOFT = "soft"


@dataclass(frozen=True, slots=True)
class Host:
    id: HostId
    name: str
    status: EntityStatus
    environment: str | None
    datacenter: str | None
    region: str | None
    agent_version: str | None
    agent_config: Mapping[str, object]
    metadata: Mapping[str, object]
    tags: Mapping[str, str]
    source: Source
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Service:
    id: ServiceId
    host_id: HostId | None
    name: str
    status: EntityStatus
    environment: str | None
    health_check: Mapping[str, object] | None
    metadata: Mapping[str, object]
    tags: Mapping[str, str]
    source: Source
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ServiceDependency:
    id: UUID
    service_id: ServiceId
    depends_on_id: ServiceId
    kind: DependencyKind
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Sighting:
    """A host, a service, or a service on a host, that telemetry spoke of. The rest describes the host, if any."""

    host_name: str | None
    service_name: str | None
    seen_at: datetime
    environment: str | None = None
    datacenter: str | None = None
    region: str | None = None
    agent_version: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

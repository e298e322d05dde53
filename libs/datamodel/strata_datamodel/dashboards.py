"""A dashboard as it is kept: what its panels ask, how they look, and what is put in for its variables.

What came from Grafana is kept beside what was understood of it (`grafana`, at every level), so that an export gives
back what Strata has no name for. Units are Grafana's ids: `bytes`, `percentunit`, `reqps`.
"""

from enum import StrEnum
from uuid import UUID

import msgspec

Json = dict[str, object]


class VariableKind(StrEnum):
    CONSTANT = "constant"
    CUSTOM = "custom"
    """One of its options."""
    TEXT = "text"
    INTERVAL = "interval"
    TAG_VALUES = "tag_values"
    OTHER = "other"
    """Of another data source: kept, and filled by whoever asks."""


class QuestionFilter(msgspec.Struct, frozen=True):
    """Values may name variables, as `$host` or `${host}`."""

    tag: str
    op: str = "="
    values: tuple[str, ...] = ()


class PanelQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """As `metrics/query` takes it, without a range. `step` may be a variable; without one the panel's width decides."""

    measurement: str
    field: str
    aggregate: str = "avg"
    filters: tuple[QuestionFilter, ...] = ()
    group_by: tuple[str, ...] = ()
    step: str | None = None


class PanelQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Without a question it is one that Strata's query cannot express: kept for the export."""

    ref_id: str
    question: PanelQuestion | None = None
    legend: str = ""
    is_hidden: bool = False
    grafana: Json | None = None


class Grid(msgspec.Struct, frozen=True):
    """Of 24 columns."""

    x: int = 0
    y: int = 0
    w: int = 12
    h: int = 8


class Threshold(msgspec.Struct, frozen=True):
    """From this value on; None is the lowest step."""

    color: str
    value: float | None = None


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One of type `row` may hold others."""

    id: int
    type: str = "timeseries"
    title: str = ""
    description: str = ""
    grid: Grid = Grid()
    unit: str = ""
    decimals: int | None = None
    min: float | None = None
    max: float | None = None
    thresholds: tuple[Threshold, ...] = ()
    max_data_points: int | None = None
    interval: str = ""
    """The shortest step worth asking for."""
    repeat: str = ""
    queries: tuple[PanelQuery, ...] = ()
    panels: tuple["Panel", ...] = ()
    grafana: Json | None = None


class TagSource(msgspec.Struct, frozen=True):
    measurement: str
    tag: str


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    label: str = ""
    kind: VariableKind = VariableKind.CUSTOM
    source: TagSource | None = None
    options: tuple[str, ...] = ()
    current: tuple[str, ...] = ()
    is_multi: bool = False
    includes_all: bool = False
    grafana: Json | None = None


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """`alerts` is a search of alerts, as `alerts/search` takes it."""

    name: str
    is_enabled: bool = True
    color: str = ""
    alerts: str | None = None
    grafana: Json | None = None


class DashboardDraft(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    description: str = ""
    folder: str = ""
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    time_from: str = "now-6h"
    time_to: str = "now"
    refresh: str = ""
    timezone: str = ""
    variables: tuple[Variable, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    panels: tuple[Panel, ...] = ()
    grafana: Json | None = None


class SavedBy(msgspec.Struct, frozen=True):
    """`label` is what they are called now: an address or a key's name; empty when they are gone."""

    kind: str
    id: str | None
    label: str


class Dashboard(DashboardDraft, frozen=True, kw_only=True):
    id: UUID
    version: int
    message: str
    saved_by: SavedBy
    created_at: str
    updated_at: str


def every_panel(draft: DashboardDraft) -> list[Panel]:
    """Those within rows behind their row."""
    return [each for panel in draft.panels for each in (panel, *panel.panels)]

"""What is sent and shown of dashboards."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from pydantic import BaseModel, Field

from strata_api.schemas import Sent, Text
from strata_core.dashboards.grafana.fields import GRID_COLUMNS, GRID_ROWS
from strata_core.dashboards.grafana.reading import REF_LENGTH
from strata_datamodel.dashboards import Dashboard, DashboardDraft, VariableKind
from strata_datamodel.limits import (
    DASHBOARD_TAGS,
    DESCRIPTION_LENGTH,
    NAME_BYTES,
    NAME_LENGTH,
    OPTIONS_PER_VARIABLE,
    PANEL_DATA_POINTS,
    QUERY_FILTER_VALUES,
    QUERY_FILTERS,
    QUERY_GROUP_TAGS,
    TAG_VALUE_BYTES,
)

Name = Annotated[Text, Field(max_length=NAME_LENGTH)]
Words = Annotated[Text, Field(max_length=DESCRIPTION_LENGTH)]
Short = Annotated[Text, Field(max_length=64)]
Metric = Annotated[Text, Field(min_length=1, max_length=NAME_BYTES)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Value = Annotated[Text, Field(max_length=TAG_VALUE_BYTES)]
Grafana = Annotated[
    dict[str, object] | None, Field(description="As it came from Grafana; an export goes back to it. Keep it as it is.")
]


class FilterForm(Sent):
    tag: Metric
    op: Literal["=", "!=", "=~", "!~", "in"] = "="
    values: list[Value] = Field(max_length=QUERY_FILTER_VALUES, description="May name variables, as $host or ${host}.")


class QuestionForm(Sent):
    """As `metrics/query` takes it. Variables stand for values wherever a text is taken."""

    measurement: Metric
    field: Metric
    aggregate: str = Field("avg", max_length=16)
    filters: list[FilterForm] = Field(default_factory=list, max_length=QUERY_FILTERS)
    group_by: list[Metric] = Field(default_factory=list, max_length=QUERY_GROUP_TAGS)
    step: Name | None = Field(None, description="As 60s, or a variable. Without it the panel's width decides.")


class QueryForm(Sent):
    ref_id: str = Field(min_length=1, max_length=REF_LENGTH)
    question: QuestionForm | None = Field(None, description="null for a query in a language of another data source.")
    legend: Name = ""
    is_hidden: bool = False
    grafana: Grafana = None


class GridForm(Sent):
    x: int = Field(0, ge=0, lt=GRID_COLUMNS)
    y: int = Field(0, ge=0, le=GRID_ROWS)
    w: int = Field(12, ge=1, le=GRID_COLUMNS)
    h: int = Field(8, ge=1, le=GRID_ROWS)


class ThresholdForm(Sent):
    color: Name
    value: Number | None = Field(None, description="From this value on; null is the lowest.")


class PanelForm(Sent):
    id: int = Field(ge=0, le=2**53)
    type: Name = "timeseries"
    title: Name = ""
    description: Words = ""
    grid: GridForm = Field(default_factory=lambda: GridForm.model_validate({}))
    unit: Name = Field("", description="A unit's id in Grafana, as bytes, percentunit or reqps.")
    decimals: int | None = Field(None, ge=0, le=20)
    min: Number | None = None
    max: Number | None = None
    thresholds: list[ThresholdForm] = Field(default_factory=list, max_length=DASHBOARD_TAGS)
    max_data_points: int | None = Field(None, ge=1, le=PANEL_DATA_POINTS)
    interval: Short = Field("", description="The shortest step worth asking for, as 1m.")
    repeat: Name = ""
    queries: list[QueryForm] = Field(default_factory=list)
    panels: "list[PanelForm]" = Field(default_factory=list, description="Of a row.")
    grafana: Grafana = None


class SourceForm(Sent):
    measurement: Metric
    tag: Metric


class VariableForm(Sent):
    name: Name
    label: Name = ""
    kind: VariableKind = VariableKind.CUSTOM
    source: SourceForm | None = None
    options: list[Name] = Field(default_factory=list, max_length=OPTIONS_PER_VARIABLE)
    current: list[Name] = Field(default_factory=list, max_length=OPTIONS_PER_VARIABLE)
    is_multi: bool = False
    includes_all: bool = Field(False, description="$__all stands for whatever there is.")
    grafana: Grafana = None


class AnnotationForm(Sent):
    name: Name
    is_enabled: bool = True
    color: Name = ""
    alerts: Words | None = Field(None, description="A search of alerts, as alerts/search takes it.")
    grafana: Grafana = None


class DashboardFields(Sent):
    title: Name = Field(min_length=1)
    description: Words = ""
    folder: Name = ""
    tags: list[Name] = Field(default_factory=list)
    labels: dict[Text, Text] = Field(default_factory=dict, description="A role may be held for certain labels only.")
    time_from: Short = "now-6h"
    time_to: Short = "now"
    refresh: Short = ""
    timezone: Short = ""
    variables: list[VariableForm] = Field(default_factory=list)
    annotations: list[AnnotationForm] = Field(default_factory=list)
    panels: list[PanelForm] = Field(default_factory=list)
    grafana: Grafana = None

    def draft(self) -> DashboardDraft:
        return msgspec.convert(self.model_dump(include=set(DashboardDraft.__struct_fields__)), DashboardDraft)


class DashboardForm(DashboardFields):
    message: Words = Field("", description="Why, for whoever looks at the versions.")


class SavedByOut(BaseModel):
    kind: str
    id: UUID | None
    label: str = Field(description="What they are called now; empty when they are gone.")


class DashboardOut(DashboardFields):
    id: UUID
    version: int
    message: str
    saved_by: SavedByOut
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, dashboard: Dashboard) -> "DashboardOut":
        return cls.model_validate(msgspec.to_builtins(dashboard))


class DashboardItem(BaseModel):
    id: UUID
    title: str
    folder: str
    tags: list[str]
    labels: dict[str, str]
    version: int
    created_at: str
    updated_at: str

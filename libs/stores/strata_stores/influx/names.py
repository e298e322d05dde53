"""What our names are called inside InfluxDB.

A field and a tag of one name, or of the name `time` or `organization`, are hard or impossible to tell apart in
InfluxQL. So every user's tag starts with `t_` and every field with the letter of its type class: they can meet neither
each other nor the names without a prefix, the tags `organization` and `tier`, which nobody but this adapter writes.

A window of a tier that was rolled up is a point of several fields, one a column: `n_max_load` of the raw `n_load`.
"""

from enum import StrEnum
from typing import Final

from strata_datamodel.metrics import FieldClass

ORGANIZATION: Final = "organization"
TIER: Final = "tier"
_TAG: Final = "t_"
_FIELDS: Final = {FieldClass.NUMBER: "n_", FieldClass.STRING: "s_", FieldClass.BOOLEAN: "b_"}
_CLASSES: Final = {prefix: field_class for field_class, prefix in _FIELDS.items()}
# A line that starts with # is a comment; `FROM _series` and its like read InfluxDB's own catalogue, of all tenants.
_SPECIAL_AT_THE_START: Final = ("#", "_", "~")


class Column(StrEnum):
    """Without an underscore, so that no column of one field is another column of another field."""

    COUNT = "count"
    FIRST = "first"
    FIRST_NS = "firstns"
    LAST = "last"
    LAST_NS = "lastns"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    RISE = "rise"
    HISTOGRAM = "histogram"


ENDS: Final = (Column.COUNT, Column.FIRST, Column.FIRST_NS, Column.LAST, Column.LAST_NS)
SPREAD: Final = (Column.SUM, Column.MIN, Column.MAX, Column.RISE, Column.HISTOGRAM)
COUNTS: Final = "/^[nsb]_count_/"
"""A pattern of InfluxQL for the count of every field."""


def physical_measurement(name: str) -> str:
    return f"~{name}" if name.startswith(_SPECIAL_AT_THE_START) else name


def logical_measurement(physical: str) -> str:
    return physical.removeprefix("~")


def physical_tag(name: str) -> str:
    return _TAG + name


def logical_tag(physical: str) -> str | None:
    """None for one of ours."""
    return physical.removeprefix(_TAG) if physical.startswith(_TAG) else None


def physical_field(name: str, field_class: FieldClass) -> str:
    return _FIELDS[field_class] + name


def window_field(name: str, field_class: FieldClass, column: Column) -> str:
    return f"{_FIELDS[field_class]}{column}_{name}"


def class_of_physical_field(physical: str, name: str) -> FieldClass | None:
    """The type class, if this is the physical name of the field `name`."""
    field_class = _CLASSES.get(physical[:2])
    return field_class if physical[2:] == name else None


def field_of(physical: str) -> tuple[str, FieldClass]:
    return physical[2:], _CLASSES[physical[:2]]


def field_of_count(physical: str) -> tuple[str, FieldClass] | None:
    """Of a field of a tier that was rolled up, if it is its count."""
    column, _, name = physical[2:].partition("_")
    return (name, _CLASSES[physical[:2]]) if column == Column.COUNT else None


def columns_of(field_class: FieldClass) -> tuple[Column, ...]:
    return ENDS + SPREAD if field_class is FieldClass.NUMBER else ENDS

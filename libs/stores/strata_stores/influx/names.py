"""What our names are called inside InfluxDB.

A field and a tag of one name, or of the name `time` or `organization`, are hard or impossible to tell apart in
InfluxQL. So every user's tag starts with `t_` and every field with the letter of its type class: they can meet neither
each other nor the one name without a prefix, the `organization` tag, which nobody but this adapter writes.
"""

from typing import Final

from strata_datamodel.metrics import FieldClass

ORGANIZATION: Final = "organization"
_TAG: Final = "t_"
_FIELDS: Final = {FieldClass.NUMBER: "n_", FieldClass.STRING: "s_", FieldClass.BOOLEAN: "b_"}
_CLASSES: Final = {prefix: field_class for field_class, prefix in _FIELDS.items()}
# A line that starts with # is a comment; `FROM _series` and its like read InfluxDB's own catalogue, of all tenants.
_SPECIAL_AT_THE_START: Final = ("#", "_", "~")


def physical_measurement(name: str) -> str:
    return f"~{name}" if name.startswith(_SPECIAL_AT_THE_START) else name


def physical_tag(name: str) -> str:
    return _TAG + name


def physical_field(name: str, field_class: FieldClass) -> str:
    return _FIELDS[field_class] + name


def class_of_physical_field(physical: str, name: str) -> FieldClass | None:
    """The type class, if this is the physical name of the field `name`."""
    field_class = _CLASSES.get(physical[:2])
    return field_class if physical[2:] == name else None

"""What Prometheus' language calls series that have a measurement, tags and a field."""

import re
from typing import Final

from strata_core.promql.matrix import Labels, labels_of
from strata_core.promql.syntax import NAME
from strata_datamodel.metrics import FieldClass, SeriesKey

PLAIN_FIELD: Final = "value"
"""The field of samples that came as such: their measurement is their name."""
MARKED_FIELDS: Final = ("value", "count", "sum")
"""Those that hold texts for what is no finite number."""
_UNFIT_IN_NAME: Final = re.compile("[^a-zA-Z0-9_:]", re.ASCII)
_UNFIT_IN_LABEL: Final = re.compile("[^a-zA-Z0-9_]", re.ASCII)
_KEPT_AS_SENT: Final = re.compile("[a-zA-Z0-9]+", re.ASCII)


def metric_name(measurement: str, field: str) -> str:
    name = _UNFIT_IN_NAME.sub("_", measurement if field == PLAIN_FIELD else f"{measurement}_{field}")
    return f"_{name}" if name[:1].isdigit() else name


def label_name(tag: str) -> str:
    name = _UNFIT_IN_LABEL.sub("_", tag)
    return f"_{name}" if name[:1].isdigit() else name


def is_tag_of_its_own(label: str) -> bool:
    """Whether no tag is shown under this label but the one of that very name."""
    return bool(_KEPT_AS_SENT.fullmatch(label))


def labels_of_series(key: SeriesKey) -> Labels:
    """Where two tags have one label, the first of them."""
    named: dict[str, str] = {}
    for tag, value in key.tags:
        named.setdefault(label_name(tag), value)
    return labels_of({**named, NAME: metric_name(key.measurement, key.field)})


def is_shown(key: SeriesKey) -> bool:
    """Texts are no samples."""
    return key.field_class is not FieldClass.STRING or key.field in MARKED_FIELDS

"""Functions that make labels of labels."""

import re
from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from strata_core.promql.errors import PromqlExecutionError
from strata_core.promql.matrix import Matrix, labels_of, merged

_LABEL: Final = re.compile("[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_REFERENCE: Final = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)
_GROUP: Final = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|(\((?!\?)|\(\?P?<(\w+)>)", re.ASCII | re.DOTALL)


def label_replace(vector: Matrix, target: str, template: str, source: str, pattern: str) -> Matrix:
    """RE2, anchored at both ends. A label becomes empty where the template does."""
    if not _LABEL.fullmatch(target):
        raise PromqlExecutionError(f"invalid destination label name in label_replace(): {target}")
    values = pa.array([dict(labels).get(source, "") for labels in vector.labels], pa.string())
    anchored = f"^(?:{pattern})$"
    try:
        is_found = pc.match_substring_regex(values, anchored).to_pylist()
        made = pc.replace_substring_regex(values, anchored, _rewritten(template, pattern)).to_pylist()
    except pa.ArrowInvalid as error:
        raise PromqlExecutionError(f"invalid regular expression in label_replace(): {pattern}") from error
    changed = [
        labels_of({**dict(labels), target: text}) if found else labels
        for labels, found, text in zip(vector.labels, is_found, made, strict=True)
    ]
    return merged(Matrix(changed, vector.values, vector.present))


def label_join(vector: Matrix, target: str, separator: str, sources: Sequence[str]) -> Matrix:
    if not _LABEL.fullmatch(target):
        raise PromqlExecutionError(f"invalid destination label name in label_join(): {target}")
    if wrong := [each for each in sources if not _LABEL.fullmatch(each)]:
        raise PromqlExecutionError(f"invalid source label name in label_join(): {wrong[0]}")
    changed = []
    for labels in vector.labels:
        known = dict(labels)
        changed.append(labels_of({**known, target: separator.join(known.get(each, "") for each in sources)}))
    return merged(Matrix(changed, vector.values, vector.present))


def checked_label(name: str) -> str:
    """Raises PromqlExecutionError."""
    if not _LABEL.fullmatch(name):
        raise PromqlExecutionError(f'invalid label name "{name}"')
    return name


def _rewritten(template: str, pattern: str) -> str:
    """Go's `$1` and `${name}` as RE2's `\\1`; of a group that is not there it makes nothing."""
    names = [match[2] for match in _GROUP.finditer(pattern) if match[1]]
    numbers = {name: place for place, name in enumerate(names, 1) if name}

    def reference(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        name = match[2] or match[3]
        number = int(name) if name.isdigit() else numbers.get(name)
        # RE2 has nine groups to refer to.
        return f"\\{number}" if number is not None and number <= min(len(names), 9) else ""

    return _REFERENCE.sub(reference, template.replace("\\", "\\\\"))

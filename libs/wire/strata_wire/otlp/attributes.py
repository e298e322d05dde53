"""Attributes become tags: values of every kind as texts, within the bounds that tags have."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from strata_datamodel.limits import ATTRIBUTE_DEPTH, NAME_BYTES, TAG_VALUE_BYTES, TAGS_PER_SERIES
from strata_datamodel.metrics import Tags
from strata_wire.line_grammar import Fault
from strata_wire.otlp.messages import AnyValue, KeyValue

Json = str | float | bool | list["Json"] | dict[str, "Json"] | None

# No store can hold them: line breaks would end a line of line protocol, and PostgreSQL has no text with a NUL in it.
_UNFIT: Final = "\n\r\0"
_SPACES: Final = str.maketrans(_UNFIT, " " * len(_UNFIT))
_FRACTIONLESS: Final = ".0"


class PointError(Exception):
    """The data point cannot be taken; the text says why."""

    def __init__(self, reason: str, fault: Fault = Fault.MALFORMED) -> None:
        super().__init__(reason)
        self.fault = fault


def tags_of(attributes: Sequence[KeyValue] | None) -> dict[str, str]:
    """Of a key that comes twice the last counts, and what has no value is left out. Raises PointError."""
    tags: dict[str, str] = {}
    for attribute in attributes or ():
        name = checked_name(attribute.key, "name of an attribute")
        text = "" if attribute.value is None else tag_value(text_of(attribute.value))
        if text:
            tags[name] = text
        else:
            tags.pop(name, None)
    return tags


def sorted_tags(*parts: Mapping[str, str]) -> Tags:
    """Later ones win. Raises PointError for more than a series may have."""
    tags: dict[str, str] = {}
    for part in parts:
        tags.update(part)
    check_tags(len(tags))
    return tuple(sorted(tags.items()))


def check_tags(count: int) -> None:
    if count > TAGS_PER_SERIES:
        raise PointError(f"more than {TAGS_PER_SERIES} tags, those of resource and scope counted")


def checked_name(name: str, what: str) -> str:
    if not name:
        raise PointError(f"empty {what}")
    if len(name.encode()) > NAME_BYTES:
        raise PointError(f"{what} is longer than {NAME_BYTES} bytes")
    if any(character in name for character in _UNFIT):
        raise PointError(f"{what} holds a line break or a NUL character")
    return name


def tag_value(text: str) -> str:
    """As much of it as a tag holds. A backslash at the end, which line protocol cannot write, is left out."""
    raw = text.translate(_SPACES).encode()[:TAG_VALUE_BYTES]
    return raw.decode(errors="ignore").rstrip("\\")


def text_of(value: AnyValue) -> str:
    content = _json_of(value, 0)
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, bool):
        return "true" if content else "false"
    if isinstance(content, int | float):
        return number_text(content)
    return msgspec.json.encode(content).decode()


def number_text(number: float) -> str:
    """The shortest digits that read back as the same number; without a fraction where there is none."""
    if isinstance(number, int):
        return str(number)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf"
    return repr(number).removesuffix(_FRACTIONLESS)


def _json_of(value: AnyValue | None, depth: int) -> Json:
    if depth > ATTRIBUTE_DEPTH:
        raise PointError(f"an attribute is nested deeper than {ATTRIBUTE_DEPTH}")
    if value is None:
        return None
    if value.array_value is not None:
        return [_json_of(item, depth + 1) for item in value.array_value.values or ()]
    if value.kvlist_value is not None:
        return {item.key: _json_of(item.value, depth + 1) for item in value.kvlist_value.values or ()}
    if value.bytes_value is not None:
        return base64.b64encode(value.bytes_value).decode()
    if value.double_value is not None and not math.isfinite(value.double_value):
        return number_text(value.double_value)
    plain = (value.string_value, value.bool_value, value.int_value, value.double_value)
    return next((each for each in plain if each is not None), None)

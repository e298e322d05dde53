"""One JSON document of whatever shipper to a log event: well-known fields by their many names, the rest as metadata."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from strata_datamodel.limits import (
    FUTURE_SECONDS,
    JSON_DEPTH,
    LOG_KEYWORD_BYTES,
    LOG_MESSAGE_BYTES,
    LOG_METADATA_BYTES,
    LOG_PAST_DAYS,
    LOG_TAGS,
)
from strata_datamodel.logs import LogLevel
from strata_wire.log_levels import level_of
from strata_wire.timestamps import day_of, parse_time

Document = dict[str, object]

_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS
_TIMESTAMP: Final = "@timestamp"

# In order of preference. Dotted names are found flat and nested.
_TIMES: Final = ("timestamp", "time", "timereported", "timegenerated", "ts")
_LEVELS: Final = ("level", "log.level", "severity", "severity_text", "levelname", "PRIORITY")
_MESSAGES: Final = ("message", "msg", "log", "MESSAGE")
_HOSTS: Final = ("host", "host.name", "host_id", "hostname", "fromhost", "_HOSTNAME")
_SERVICES: Final = ("service", "service.name", "service_id")
_TAGS: Final = "tags"


class DocumentError(Exception):
    """The document cannot be taken; the text says why."""


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """`own_time_ns` is None when the document names no time of its own."""

    own_time_ns: int | None
    level: LogLevel
    message: str
    host_id: str
    service_id: str
    tags: dict[str, str]
    metadata: Document


def decode_document(raw: bytes) -> Document:
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise DocumentError(f"failed to parse: {error.msg}") from None
    if not isinstance(document, dict):
        raise DocumentError("failed to parse: a document is a JSON object")
    # Nearly no document has brackets enough to be that deep, and counting them is much quicker than a walk.
    if raw.count(b"{") + raw.count(b"[") > JSON_DEPTH and _is_deeper(document, JSON_DEPTH):
        raise DocumentError(f"the document is nested deeper than {JSON_DEPTH} levels")
    return document


def read_document(document: Document, raw: bytes) -> ReadDocument:
    """Takes `document` apart: what is left of it becomes the metadata."""
    own_time_ns = _take_time(document)
    level = _take_level(document)
    message = _take_message(document)
    host_id = _take_keyword(document, _HOSTS)
    service_id = _take_keyword(document, _SERVICES)
    tags = _take_tags(document)
    if message is None:
        message = raw.decode()
    if len(message) > LOG_MESSAGE_BYTES // 4 and len(message.encode()) > LOG_MESSAGE_BYTES:
        raise DocumentError(f"the message is longer than {LOG_MESSAGE_BYTES} bytes")
    if len(raw) > LOG_METADATA_BYTES and len(orjson.dumps(document)) > LOG_METADATA_BYTES:
        raise DocumentError(f"fields other than the message take more than {LOG_METADATA_BYTES} bytes")
    return ReadDocument(own_time_ns, level, message, host_id, service_id, tags, document)


def index_day(time_ns: int, received_at_ns: int) -> str:
    """Clamped to what is kept, so that no sender can make thousands of days."""
    oldest = received_at_ns - LOG_PAST_DAYS * _DAY_NS
    newest = received_at_ns + FUTURE_SECONDS * _SECOND_NS
    return day_of(min(max(time_ns, oldest), newest))


def _take_time(document: Document) -> int | None:
    if _TIMESTAMP in document:
        time_ns = parse_time(document[_TIMESTAMP])
        if time_ns is None:
            raise DocumentError(f"failed to parse field [@timestamp]: {_shown(document[_TIMESTAMP])} is no time")
        del document[_TIMESTAMP]
        return time_ns
    for name in _TIMES:
        if name in document:
            # These names also serve for other things ("time": "12:30"): what is no time stays metadata.
            time_ns = parse_time(document[name])
            if time_ns is not None:
                del document[name]
                return time_ns
    return None


def _take_level(document: Document) -> LogLevel:
    for name, value in _candidates(document, _LEVELS):
        level = level_of(value)
        if level is not None:
            _remove(document, name)
            return level
    return LogLevel.UNKNOWN


def _take_message(document: Document) -> str | None:
    for name in _MESSAGES:
        value = document.get(name)
        if isinstance(value, str):
            del document[name]
            return value
    for name in _MESSAGES[:2]:
        if document.get(name) is not None:
            return orjson.dumps(document.pop(name)).decode()
    return None


def _take_keyword(document: Document, names: tuple[str, ...]) -> str:
    for name, value in _candidates(document, names):
        if isinstance(value, str | int | float) and value != "":
            _remove(document, name)
            return _keyword(_text_of(value), name)
    return ""


def _take_tags(document: Document) -> dict[str, str]:
    value = document.get(_TAGS)
    match value:
        case dict():
            tags = {key: _text_of(item) for key, item in value.items() if item is not None}
        case list():
            tags = {_text_of(item): "true" for item in value if item is not None}
        case str():
            tags = {value: "true"} if value else {}
        case _:
            return {}
    del document[_TAGS]
    if len(tags) > LOG_TAGS:
        raise DocumentError(f"the document has more than {LOG_TAGS} tags")
    for key, text in tags.items():
        _keyword(key, "tags")
        _keyword(text, f"tags.{key[:64]}")
    return tags


def _candidates(document: Document, names: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    for name in names:
        if name in document:
            yield name, document[name]
        elif "." in name:
            outer, _, inner = name.partition(".")
            nested = document.get(outer)
            if isinstance(nested, dict) and inner in nested:
                yield name, nested[inner]


def _remove(document: Document, name: str) -> None:
    if name in document:
        del document[name]
        return
    outer, _, inner = name.partition(".")
    nested = document[outer]
    if isinstance(nested, dict):
        del nested[inner]
        if not nested:
            del document[outer]


def _keyword(text: str, name: str) -> str:
    if len(text) > LOG_KEYWORD_BYTES // 4 and len(text.encode()) > LOG_KEYWORD_BYTES:
        raise DocumentError(f"field [{name}] is longer than {LOG_KEYWORD_BYTES} bytes")
    # PostgreSQL, which holds hosts and services, has no text with a NUL in it.
    if "\0" in text:
        raise DocumentError(f"field [{name}] holds a NUL character")
    return text


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _is_deeper(value: object, levels: int) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if children is None:
        return False
    return levels == 0 or any(_is_deeper(child, levels - 1) for child in children if isinstance(child, dict | list))


def _shown(value: object) -> str:
    return repr(value)[:64]

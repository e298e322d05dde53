"""What a search must find, said plainly and apart from how the stores do it."""

import unicodedata
from itertools import groupby

from strata_datamodel.logs import (
    And,
    AttributeHolds,
    FieldIs,
    LogEvent,
    LogFilter,
    LogSearch,
    MatchAll,
    Not,
    Or,
    SortOrder,
    Text,
)


def expected_events(search: LogSearch, events) -> list[LogEvent]:
    """All of them, as if the page had no limit."""
    chosen = [e for e in events if search.from_ns <= e.timestamp_ns < search.to_ns and matches(search.where, e)]
    return sorted(chosen, key=lambda e: (e.timestamp_ns, e.event_id), reverse=search.order is SortOrder.DESC)


def matches(where: LogFilter, event: LogEvent) -> bool:  # noqa: PLR0911 - one answer a kind
    match where:
        case MatchAll():
            return True
        case Text(phrase=False):
            return set(words(where.words)) <= set(words(event.message))
        case Text():
            return contains_run(words(event.message), words(where.words))
        case FieldIs():
            values = values_of(event, where.name)
            return any(v.startswith(where.value) if where.prefix else v == where.value for v in values)
        case AttributeHolds():
            return any(where.text.lower() in f"{name}={value}".lower() for name, value in every_value(event))
        case And():
            return all(matches(part, event) for part in where.parts)
        case Or():
            return any(matches(part, event) for part in where.parts)
        case Not():
            return not matches(where.part, event)


def words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return ["".join(run) for is_word, run in groupby(folded, str.isalnum) if is_word]


def contains_run(held: list[str], wanted: list[str]) -> bool:
    return any(held[at : at + len(wanted)] == wanted for at in range(len(held) - len(wanted) + 1))


def values_of(event: LogEvent, name: str) -> list[str]:
    return [value for path, value in every_value(event) if path == name]


def every_value(event: LogEvent) -> list[tuple[str, str]]:
    found = [
        ("level", event.level.value),
        ("host_id", event.host_id),
        ("service_id", event.service_id),
        ("stream", event.stream),
    ]
    found += [(f"tags.{key}", value) for key, value in event.tags.items()]
    collect("metadata", event.metadata, found)
    return found


def collect(path: str, node: object, found: list[tuple[str, str]]) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            collect(f"{path}.{key}", value, found)
    elif isinstance(node, list):
        for value in node:
            collect(path, value, found)
    elif isinstance(node, bool):
        found.append((path, "true" if node else "false"))
    elif node is not None:
        found.append((path, str(node)))

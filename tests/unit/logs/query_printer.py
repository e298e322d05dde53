"""A filter written in the query language: the other direction of the parser."""

import re

from strata_core.logs.words import words_of
from strata_datamodel.logs import And, FieldIs, LogFilter, MatchAll, Not, Or, Text

_NOT_PLAIN = re.compile(r"([\s()\"\\:*-])")


def printed(where: LogFilter) -> str:
    """Every operand of AND, OR and NOT in parentheses unless it is a clause: no precedence to get wrong here."""
    match where:
        case MatchAll():
            return "*"
        case Text():
            return quoted(where.words) if where.phrase else plain(where.words)
        case FieldIs():
            return f"{quoted(where.name)}:{quoted(where.value)}{'*' if where.prefix else ''}"
        case And():
            return " AND ".join(grouped(part) for part in where.parts)
        case Or():
            return " OR ".join(grouped(part) for part in where.parts)
        case Not():
            return f"NOT {grouped(where.part)}"


def grouped(where: LogFilter) -> str:
    return printed(where) if isinstance(where, MatchAll | Text | FieldIs) else f"({printed(where)})"


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def plain(text: str) -> str:
    assert len(words_of(text)) == 1, "more than one word is a phrase"
    escaped = _NOT_PLAIN.sub(r"\\\1", text)
    return "\\" + escaped if escaped in {"AND", "OR", "NOT"} else escaped

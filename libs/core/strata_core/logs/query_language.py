"""What people type to search logs, turned into a filter.

    error timeout              both words, in any order
    "connection reset"         words one after the other; so is a word with dots or dashes in it, such as 10.0.0.7
    level:error host:web-1     fields: level, host, service, stream, message, tags.<key>, metadata.<key>
    tags.env:"blue green"      quotes around values with spaces
    tags.region:eu-*           values that begin with something; tags.region:* for any value at all
    a OR b, a AND b, NOT a, -a, (a OR b) c
    \\                          makes the next character an ordinary one

AND binds closer than OR; words beside each other are joined by AND. Words ignore case, values do not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from strata_core.logs.attributes import FIXED_NAMES, TREE_NAMES, is_attribute
from strata_core.logs.query_scanner import Bare, Scanner, refuse
from strata_core.logs.words import words_of
from strata_datamodel.limits import LOG_QUERY_CLAUSES, LOG_QUERY_DEPTH, LOG_QUERY_LENGTH
from strata_datamodel.logs import And, FieldIs, LogFilter, LogLevel, MatchAll, Not, Or, Text

_MESSAGE: Final = "message"
_ALIASES: Final[Mapping[str, str]] = {"host": "host_id", "service": "service_id"}
_LEVELS: Final[Mapping[str, str]] = {
    **{level.value: level.value for level in LogLevel},
    "warning": LogLevel.WARN.value,
    "err": LogLevel.ERROR.value,
    "critical": LogLevel.FATAL.value,
}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The fields there are. `text` is the one whose words are searched without a name, `closed` those of few values:
    what may be written, and what it means."""

    fields: str
    text: str
    is_field: Callable[[str], bool]
    aliases: Mapping[str, str]
    closed: Mapping[str, Mapping[str, str]]


LOG_VOCABULARY: Final = Vocabulary(
    fields=", ".join((*_ALIASES, *FIXED_NAMES, _MESSAGE, *(f"{root}.<key>" for root in TREE_NAMES))),
    text=_MESSAGE,
    is_field=is_attribute,
    aliases=_ALIASES,
    closed={"level": _LEVELS},
)


def parse_query(text: str, vocabulary: Vocabulary = LOG_VOCABULARY) -> LogFilter:
    """Nothing but spaces matches everything. Raises InvalidError (code `bad_query`) with the place of the mistake."""
    if len(text) > LOG_QUERY_LENGTH:
        refuse(LOG_QUERY_LENGTH, f"a query has at most {LOG_QUERY_LENGTH} characters (LOG_QUERY_LENGTH)")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        refuse(error.start, "this is half of a character")
    return _Parser(text, vocabulary).whole()


class _Parser:
    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._scanner = Scanner(text)
        self._vocabulary = vocabulary
        self._clauses = 0
        self._depth = 0

    def whole(self) -> LogFilter:
        self._scanner.skip_spaces()
        if not self._scanner.peek():
            return MatchAll()
        found = self._alternatives()
        if self._scanner.peek():
            refuse(self._scanner.at, "this parenthesis closes nothing")
        return found

    def _alternatives(self) -> LogFilter:
        parts = [self._conjunction()]
        while self._took("OR"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _conjunction(self) -> LogFilter:
        parts = [self._operand()]
        while self._took("AND") or self._begins_operand():
            parts.append(self._operand())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _operand(self) -> LogFilter:
        scanner = self._scanner
        scanner.skip_spaces()
        if self._took("NOT") or self._took_minus():
            return Not(self._deeper(self._operand))
        if scanner.keyword():
            refuse(
                scanner.at, f"expected something to search for before {scanner.keyword()}; quote it to search for it"
            )
        if scanner.take("("):
            return self._group(scanner.at - 1)
        if not scanner.peek() or scanner.peek() == ")":
            refuse(scanner.at, "expected a word, a phrase, a field or a parenthesis")
        return self._clause()

    def _group(self, opened_at: int) -> LogFilter:
        found = self._deeper(self._alternatives)
        if not self._scanner.take(")"):
            refuse(opened_at, "this parenthesis is not closed")
        return found

    def _clause(self) -> LogFilter:
        scanner = self._scanner
        began = scanner.at
        self._clauses += 1
        if self._clauses > LOG_QUERY_CLAUSES:
            refuse(began, f"a query has at most {LOG_QUERY_CLAUSES} words and fields (LOG_QUERY_CLAUSES)")
        if scanner.peek() == '"':
            phrase = scanner.quoted()
            return self._field(phrase, began) if scanner.take(":") else _text(phrase, began, phrase=True)
        word = scanner.bare(also_ends_at=':"')
        if scanner.take(":"):
            return self._field(word.text, began)
        return _word(word, began)

    def _field(self, written: str, began: int) -> LogFilter:
        known = self._vocabulary
        name = known.aliases.get(written, written)
        if name != known.text and not known.is_field(name):
            hint = f"fields are {known.fields}; quote text with a colon"
            refuse(began, f"there is no field {written[:80]!r}", hint=hint)
        at = self._scanner.at
        value, is_prefix, is_quoted = self._value(written)
        if name == known.text:
            if is_prefix and value:
                refuse(at, "the beginning of a word cannot be searched for in text")
            return MatchAll() if is_prefix else _text(value, at, phrase=is_quoted or _has_parts(value))
        if name in known.closed and not is_prefix:
            value = _one_of(known.closed[name], name, value, at)
        return FieldIs(name, value, prefix=is_prefix)

    def _value(self, name: str) -> tuple[str, bool, bool]:
        """The value, whether a star follows it, and whether it was quoted."""
        scanner = self._scanner
        began = scanner.at
        if scanner.peek() == '"':
            return scanner.quoted(), scanner.take("*"), True
        value = scanner.bare()
        if not value.text:
            refuse(began, f'expected a value right after "{name[:80]}:"', hint='write "" for the empty value')
        inner = value.stars[:-1] if value.ends_with_star else value.stars
        if inner:
            refuse(inner[0], "a star can only end a value", hint="write \\* for the character itself")
        return value.text[:-1] if value.ends_with_star else value.text, value.ends_with_star, False

    def _deeper(self, parse: Callable[[], LogFilter]) -> LogFilter:
        self._depth += 1
        if self._depth > LOG_QUERY_DEPTH:
            refuse(self._scanner.at, f"a query is at most {LOG_QUERY_DEPTH} levels deep (LOG_QUERY_DEPTH)")
        found = parse()
        self._depth -= 1
        return found

    def _took(self, keyword: str) -> bool:
        self._scanner.skip_spaces()
        if self._scanner.keyword() != keyword:
            return False
        self._scanner.at += len(keyword)
        return True

    def _took_minus(self) -> bool:
        after = self._scanner.peek(1)
        return bool(after) and not after.isspace() and after != ")" and self._scanner.take("-")

    def _begins_operand(self) -> bool:
        return self._scanner.peek() not in {"", ")"} and self._scanner.keyword() != "OR"


def _word(word: Bare, began: int) -> LogFilter:
    if word.stars:
        if word.text == "*":
            return MatchAll()
        refuse(word.stars[0], "a star works in values of fields only", hint="as in host:web-*, or quote the word")
    return _text(word.text, began, phrase=_has_parts(word.text))


def _has_parts(word: str) -> bool:
    """Of 10.0.0.7 or a-b one means the parts in this order."""
    return len(words_of(word)) > 1


def _text(text: str, began: int, *, phrase: bool) -> Text:
    if not words_of(text):
        refuse(began, "expected a word: this has no letters and no digits")
    return Text(text, phrase=phrase)


def _one_of(values: Mapping[str, str], name: str, written: str, at: int) -> str:
    meant = values.get(written.lower())
    if meant is None:
        known = ", ".join(dict.fromkeys(values.values()))
        refuse(at, f"{written[:80]!r} is not a {name}", hint=f"there is {known}")
    return meant

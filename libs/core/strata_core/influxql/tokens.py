"""Text of InfluxQL into tokens, each with its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from strata_core.influxql.refusals import Place, parse_error


class Kind(StrEnum):
    EOF = "EOF"
    SPACE = "WS"
    COMMENT = "COMMENT"
    NAME = "IDENT"
    KEYWORD = "KEYWORD"
    TEXT = "STRING"
    BAD_TEXT = "BADSTRING"
    BAD_ESCAPE = "BADESCAPE"
    NUMBER = "NUMBER"
    INTEGER = "INTEGER"
    DURATION = "DURATIONVAL"
    REGEX = "REGEX"
    OPERATOR = "OPERATOR"
    PARAMETER = "BOUNDPARAM"
    ILLEGAL = "ILLEGAL"


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    """What it says: a keyword or operator in its one spelling, a name or string without its quotes."""
    begin: int
    end: int

    def is_(self, *words: str) -> bool:
        return self.kind in {Kind.KEYWORD, Kind.OPERATOR} and self.text in words

    @property
    def shown(self) -> str:
        return self.text or self.kind.value


KEYWORDS: Final = frozenset(
    [
        "ALL",
        "ALTER",
        "ANALYZE",
        "AND",
        "ANY",
        "AS",
        "ASC",
        "BEGIN",
        "BY",
        "CARDINALITY",
        "CREATE",
        "CONTINUOUS",
        "DATABASE",
        "DATABASES",
        "DEFAULT",
        "DELETE",
        "DESC",
        "DESTINATIONS",
        "DIAGNOSTICS",
        "DISTINCT",
        "DROP",
        "DURATION",
        "END",
        "EVERY",
        "EXACT",
        "EXPLAIN",
        "FALSE",
        "FIELD",
        "FOR",
        "FROM",
        "GRANT",
        "GRANTS",
        "GROUP",
        "GROUPS",
        "IN",
        "INF",
        "INSERT",
        "INTO",
        "KEY",
        "KEYS",
        "KILL",
        "LIMIT",
        "MEASUREMENT",
        "MEASUREMENTS",
        "NAME",
        "OFFSET",
        "ON",
        "OR",
        "ORDER",
        "PASSWORD",
        "POLICY",
        "POLICIES",
        "PRIVILEGES",
        "QUERIES",
        "QUERY",
        "READ",
        "REPLICATION",
        "RESAMPLE",
        "RETENTION",
        "REVOKE",
        "SELECT",
        "SERIES",
        "SET",
        "SHOW",
        "SHARD",
        "SHARDS",
        "SLIMIT",
        "SOFFSET",
        "STATS",
        "SUBSCRIPTION",
        "SUBSCRIPTIONS",
        "TAG",
        "TO",
        "TRUE",
        "USER",
        "USERS",
        "VALUES",
        "WHERE",
        "WITH",
        "WRITE",
    ]
)
_TWO: Final = {"=~", "!=", "!~", ">=", "<=", "<>", "::"}
_ONE: Final = frozenset("+-*/%&|^=<>(),;:.")
_SPACES: Final = frozenset(" \t\n")
_DIGITS: Final = frozenset("0123456789")
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_WORD: Final = _LETTERS | _DIGITS | {"_"}
_UNIT: Final = _LETTERS | {"µ"}
_ESCAPES: Final = {"n": "\n", "\\": "\\", '"': '"', "'": "'"}
_OPEN_ENDED: Final = frozenset({Kind.SPACE, Kind.COMMENT, Kind.NAME, Kind.KEYWORD})


class Tokens:
    """Read one by one, as what a slash means is known to who reads: a division, or the beginning of a regex."""

    def __init__(self, text: str, parameters: Mapping[str, tuple[Kind, str]] | None = None) -> None:
        self._text = text.replace("\r\n", "\n").replace("\r", "\n")
        self._parameters = parameters or {}
        self.at = 0

    def next(self) -> Token:
        token = self._read(self.at)
        self.at = token.end
        if token.kind is Kind.PARAMETER and token.text in self._parameters:
            kind, text = self._parameters[token.text]
            return Token(kind, text, token.begin, token.end)
        return token

    def next_word(self) -> Token:
        """The next that is neither space nor comment."""
        token = self.next()
        while token.kind in {Kind.SPACE, Kind.COMMENT}:
            token = self.next()
        return token

    def peek(self) -> str:
        return self._text[self.at : self.at + 1]

    def skip_spaces(self) -> None:
        while self.peek() in _SPACES and self.peek():
            self.at += 1

    def regex(self) -> Token:
        """From the slash that stands here to its end."""
        begin, at = self.at, self.at + 1
        found: list[str] = []
        while True:
            char = self._text[at : at + 1]
            if not char or char == "\n":
                raise parse_error(f"bad regex: {''.join(found) if not char else ''}", self.place(begin))
            if char == "/":
                self.at = at + 1
                return Token(Kind.REGEX, "".join(found), begin, self.at)
            if self._text[at : at + 2] == "\\/":
                char, at = "/", at + 1
            found.append(char)
            at += 1

    def place(self, at: int) -> Place:
        line = self._text.count("\n", 0, at)
        return Place(line + 1, at - (self._text.rfind("\n", 0, at) + 1) + 1)

    def place_of(self, token: Token) -> Place:
        """As InfluxDB reckons it: strings from before their quote, and the end one further after what had no end of
        its own."""
        if token.kind is Kind.TEXT or (token.kind is Kind.BAD_TEXT and self._text[token.begin] == "'"):
            return self.place(max(token.begin - 1, 0))
        if token.kind is Kind.EOF and self._ends_openly():
            place = self.place(token.begin)
            return Place(place.line, place.char + 1)
        return self.place(token.begin)

    def _ends_openly(self) -> bool:
        last = self._text[-1:]
        return last in _WORD or last in _SPACES if last else False

    def _read(self, at: int) -> Token:  # noqa: PLR0911 - one a kind
        text = self._text
        if at >= len(text):
            return Token(Kind.EOF, "", at, at)
        char = text[at]
        if char in _SPACES:
            end = _past(text, at, _SPACES)
            return Token(Kind.SPACE, text[at:end], at, end)
        if char in _LETTERS or char == "_":
            end = _past(text, at, _WORD)
            word = text[at:end]
            if text[end : end + 1] == '"':
                return self._quoted(end, Kind.NAME, begin=at)
            is_keyword = word.upper() in KEYWORDS
            return Token(Kind.KEYWORD if is_keyword else Kind.NAME, word.upper() if is_keyword else word, at, end)
        if char in _DIGITS or (char == "." and text[at + 1 : at + 2] in _DIGITS and at + 1 < len(text)):
            return self._number(at)
        if char in "\"'":
            return self._quoted(at, Kind.NAME if char == '"' else Kind.TEXT, begin=at)
        if char == "$":
            return self._parameter(at)
        return self._comment(at) or self._operator(at)

    def _comment(self, at: int) -> Token | None:
        text = self._text
        if text.startswith("--", at):
            end = text.find("\n", at)
            return Token(Kind.COMMENT, "", at, len(text) if end < 0 else end + 1)
        if text.startswith("/*", at):
            end = text.find("*/", at + 2)
            return Token(Kind.ILLEGAL, "", at, len(text)) if end < 0 else Token(Kind.COMMENT, "", at, end + 2)
        return None

    def _operator(self, at: int) -> Token:
        two = self._text[at : at + 2]
        if two in _TWO:
            return Token(Kind.OPERATOR, "!=" if two == "<>" else two, at, at + 2)
        char = self._text[at]
        return Token(Kind.OPERATOR if char in _ONE else Kind.ILLEGAL, char, at, at + 1)

    def _number(self, at: int) -> Token:
        text = self._text
        end = _past(text, at, _DIGITS)
        if text[end : end + 1] == ".":
            digits = _past(text, end + 1, _DIGITS)
            return Token(Kind.NUMBER, text[at : max(digits, end)].removesuffix("."), at, digits)
        if text[end : end + 1] in _UNIT and end < len(text):
            stop = _past(text, end, _UNIT | _DIGITS)
            return Token(Kind.DURATION, text[at:stop], at, stop)
        return Token(Kind.INTEGER, text[at:end], at, end)

    def _quoted(self, at: int, kind: Kind, *, begin: int) -> Token:
        quote = self._text[at]
        found: list[str] = []
        at += 1
        while True:
            char = self._text[at : at + 1]
            if char == quote:
                return Token(kind, "".join(found), begin, at + 1)
            if not char or char == "\n":
                return Token(Kind.BAD_TEXT, "".join(found), begin, at)
            if char == "\\":
                escaped = self._text[at + 1 : at + 2]
                if escaped not in _ESCAPES:
                    return Token(Kind.BAD_ESCAPE, char + escaped, begin, at + 2)
                char, at = _ESCAPES[escaped], at + 1
            found.append(char)
            at += 1

    def _parameter(self, at: int) -> Token:
        if self._text[at + 1 : at + 2] == '"':
            name = self._quoted(at + 1, Kind.NAME, begin=at)
            return Token(Kind.PARAMETER, name.text, at, name.end) if name.kind is Kind.NAME else name
        end = _past(self._text, at + 1, _WORD)
        return Token(Kind.PARAMETER, self._text[at + 1 : end], at, end)


def _past(text: str, at: int, chars: frozenset[str]) -> int:
    while at < len(text) and text[at] in chars:
        at += 1
    return at

"""PromQL's tokens."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from strata_core.promql.errors import PromqlParseError

_UNIT_MS: Final = {
    "y": 31_536_000_000,
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_DURATION_PARTS: Final = re.compile(r"(\d+)(ms|[ywdhms])", re.ASCII)
_DURATION: Final = re.compile(r"(?:\d+y)?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?", re.ASCII)
_LONGEST_MS: Final = 2**63 // 1_000_000
_LEXEMES: Final = re.compile(
    r"""
    (?P<space>[ \t\r\n]+|\#[^\n]*)
  | (?P<duration>(?:\d++(?:ms|[ywdhms]))+(?![\w.]))
  | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.]))
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
  | (?P<sign>=~|!~|==|!=|<=|>=|[-+*/%^=<>(){}\[\],:@])
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_COLON: Final = re.compile("(?P<sign>:)")
_ESCAPE: Final = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([abfnrtv\\'\"])|(.|$))", re.DOTALL
)
_ESCAPED: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Kind(StrEnum):
    NUMBER = "number"
    DURATION = "duration"
    STRING = "string"
    NAME = "name"
    SIGN = "sign"
    END = "end of input"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is as written, of a string what it stands for."""

    kind: Kind
    text: str
    at: int

    @property
    def shown(self) -> str:
        return self.kind.value if self.kind is Kind.END else f"{self.kind.value} {self.text!r}"


def tokens_of(query: str) -> list[Token]:
    """Ends with one of kind END. Raises PromqlParseError."""
    found: list[Token] = []
    at = 0
    while at < len(query):
        # Within a range a colon stands before the step of a subquery, elsewhere it may begin a name.
        is_step = query[at] == ":" and len(found) > 1 and found[-2].text == "[" and found[-2].kind is Kind.SIGN
        match = _COLON.match(query, at) if is_step else _LEXEMES.match(query, at)
        if match is None:
            raise PromqlParseError(query, at, _unreadable(query, at))
        kind = match.lastgroup or ""
        text = match[0]
        if kind == "string":
            text = _unquoted(query, at, text)
        if kind != "space":
            found.append(Token(Kind(kind), text, at))
        at = match.end()
    return [*found, Token(Kind.END, "", len(query))]


def duration_ms(text: str) -> int | None:
    """None for what is no duration: units come once each, the longest first."""
    if not text or not _DURATION.fullmatch(text):
        return None
    total = sum(int(count) * _UNIT_MS[unit] for count, unit in _DURATION_PARTS.findall(text))
    return total if total < _LONGEST_MS else None


def number_of(text: str) -> float:
    """As Go reads them: a leading zero makes an integer octal where it can."""
    if text[:2] in {"0x", "0X"}:
        return float(int(text, 16))
    if re.fullmatch("0[0-7]+", text):
        return float(int(text, 8))
    return float(text)


def _unreadable(query: str, at: int) -> str:
    sign = query[at]
    if sign in "\"'`":
        return "unterminated quoted string"
    if sign.isdigit() or (sign == "." and query[at + 1 : at + 2].isdigit()):
        return "bad number or duration syntax"
    return f"unexpected character: {sign!r}"


def _unquoted(query: str, at: int, text: str) -> str:
    body = text[1:-1]
    if text[0] == "`" or "\\" not in body:
        return body

    def meant(match: re.Match[str]) -> str:
        byte, short, long, octal, plain, wrong = match.groups()
        if wrong is not None or (plain in {"'", '"'} and plain != text[0]):
            raise PromqlParseError(query, at, f"unknown escape sequence {match[0]}")
        if plain:
            return _ESCAPED.get(plain, plain)
        code = int(octal, 8) if octal else int(byte or short or long, 16)
        is_raw = bool(octal or byte)
        if code > (0xFF if is_raw else 0x10FFFF) or 0xD800 <= code < 0xE000:
            raise PromqlParseError(query, at, f"escape sequence {match[0]} is no character")
        # Bytes are put together below: two of them may be one character.
        return chr(code) if code < 0x80 or not is_raw else chr(0xDC00 + code)

    meant_text = _ESCAPE.sub(meant, body)
    try:
        return meant_text.encode("utf-8", "surrogateescape").decode()
    except UnicodeDecodeError:
        raise PromqlParseError(query, at, "the string is not UTF-8") from None

"""Reading a query character by character: quotes, escapes, and where the next thing begins."""

from dataclasses import dataclass
from typing import Final, NoReturn

from strata_datamodel.errors import InvalidError, Problem

_ESCAPE: Final = "\\"
_QUOTE: Final = '"'
_PARENTHESES: Final = "()"
KEYWORDS: Final = ("AND", "OR", "NOT")


@dataclass(frozen=True, slots=True)
class Bare:
    """Text without quotes. `stars` are the places in the query of asterisks in it that are not escaped."""

    text: str
    stars: tuple[int, ...]
    ends_with_star: bool


class Scanner:
    """Never goes back. A backslash makes the character after it an ordinary one, everywhere."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def skip_spaces(self) -> None:
        while self.peek().isspace():
            self.at += 1

    def peek(self, ahead: int = 0) -> str:
        """The empty string past the end."""
        return self._text[self.at + ahead : self.at + ahead + 1]

    def take(self, character: str) -> bool:
        if self.peek() != character:
            return False
        self.at += 1
        return True

    def quoted(self) -> str:
        began = self.at
        self.at += 1
        found: list[str] = []
        while not self.take(_QUOTE):
            if not self.peek():
                refuse(began, "this quote is not closed")
            found.append(self._character())
        return "".join(found)

    def bare(self, *, also_ends_at: str = "") -> Bare:
        found: list[str] = []
        stars: list[int] = []
        is_star = False
        while (next_one := self.peek()) and not next_one.isspace() and next_one not in _PARENTHESES + also_ends_at:
            is_star = next_one == "*"
            if is_star:
                stars.append(self.at)
            found.append(self._character())
        return Bare("".join(found), tuple(stars), is_star)

    def keyword(self) -> str:
        """The keyword that comes next, not taken, or the empty string."""
        for keyword in KEYWORDS:
            after = self.peek(len(keyword))
            if self._text.startswith(keyword, self.at) and (not after or after.isspace() or after in '()"'):
                return keyword
        return ""

    def _character(self) -> str:
        if self.take(_ESCAPE) and not self.peek():
            refuse(self.at - 1, "a backslash at the end escapes nothing; write \\\\ for a backslash")
        character = self.peek()
        self.at += 1
        return character


def refuse(position: int, detail: str, *, hint: str | None = None) -> NoReturn:
    """Positions are told from 1, as editors do."""
    raise InvalidError(
        f"the query is not understood at character {position + 1}: {detail}",
        code="bad_query",
        hint=hint,
        problems=[Problem("/query", f"character {position + 1}: {detail}")],
    )

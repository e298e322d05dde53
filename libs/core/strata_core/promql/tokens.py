"""Where in the tokens a reader is."""

from collections.abc import Sequence

from strata_core.promql.errors import PromqlParseError
from strata_core.promql.lexer import Kind, Token


class Tokens:
    def __init__(self, query: str, tokens: Sequence[Token]) -> None:
        self.query = query
        self._tokens = tokens
        self._place = 0

    @property
    def peek(self) -> Token:
        return self._tokens[self._place]

    def is_at_end(self) -> bool:
        return self.peek.kind is Kind.END

    def take(self) -> Token:
        token = self.peek
        if token.kind is not Kind.END:
            self._place += 1
        return token

    def is_sign(self, *signs: str) -> bool:
        return self.peek.kind is Kind.SIGN and self.peek.text in signs

    def is_next(self, sign: str) -> bool:
        """Whether it stands behind the token that is next."""
        after = self._tokens[min(self._place + 1, len(self._tokens) - 1)]
        return after.kind is Kind.SIGN and after.text == sign

    def is_word(self, *words: str) -> bool:
        return self.peek.kind is Kind.NAME and self.peek.text.lower() in words

    def expect(self, sign: str, where: str) -> Token:
        if not self.is_sign(sign):
            raise self.wrong(f'unexpected {self.peek.shown} in {where}, expected "{sign}"')
        return self.take()

    def wrong(self, what: str, token: Token | None = None) -> PromqlParseError:
        return PromqlParseError(self.query, (token or self.peek).at, what)

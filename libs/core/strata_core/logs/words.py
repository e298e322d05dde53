"""What the words of a text are: decided here for every store, at indexing and at searching (ADR on words of logs)."""

import hashlib
import re
import unicodedata
from typing import Final

_LONGEST: Final = 100
_KEPT_OF_LONGER: Final = 32

_ASCII: Final = bytes(ord(chr(code).lower()) if chr(code).isalnum() else ord(" ") for code in range(128)) + bytes(128)
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")
_TOO_LONG: Final = re.compile(rf"\S{{{_LONGEST + 1},}}")


def spaced_words(text: str) -> str:
    """The words of a text in lower case with spaces between them: what a store splits at white space and indexes.

    A word is a maximal run of letters and digits, compared after NFKC and case folding. Words over 100 characters are
    replaced by their beginning and a hash, since engines split or drop long terms, each at its own length.
    """
    if text.isascii():
        spaced = text.encode().translate(_ASCII).decode()
    else:
        spaced = _BETWEEN_WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return _TOO_LONG.sub(_shortened, spaced) if len(spaced) > _LONGEST else spaced


def words_of(text: str) -> tuple[str, ...]:
    return tuple(spaced_words(text).split())


def _shortened(match: re.Match[str]) -> str:
    word = match[0]
    digest = hashlib.blake2b(word.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    return word[:_KEPT_OF_LONGER] + digest

"""Common and breached passwords from lists on this machine: nothing is asked of a network."""

from collections.abc import Set as AbstractSet
from functools import cached_property
from pathlib import Path

from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]  # it is a table of words

from strata_stores.passwords.breached import BreachedPasswordFile


class ListedPasswords:
    """The 30,000 passwords that leaks held most often, which come with the package (MIT licence), and, in `breached`,
    all of them where an operator keeps the list. `more` are an installation's own."""

    def __init__(self, more: AbstractSet[str] = frozenset(), *, breached: BreachedPasswordFile | None = None) -> None:
        self._more = more
        self._breached = breached

    @classmethod
    def with_file(cls, path: Path | None) -> "ListedPasswords":
        """Raises InvalidError (code `bad_passwords_file`)."""
        return cls(breached=None if path is None else BreachedPasswordFile(path))

    def knows(self, password: str) -> bool:
        if password.casefold() in self._listed:
            return True
        return self._breached is not None and any(map(self._breached.knows, {password, password.casefold()}))

    @cached_property
    def _listed(self) -> AbstractSet[str]:
        listed: list[str] = FREQUENCY_LISTS["passwords"]
        return frozenset(word.casefold() for word in (*listed, *self._more))

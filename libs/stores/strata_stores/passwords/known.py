"""Common and breached passwords from a list that is installed with the package: nothing is asked of a network."""

from collections.abc import Set as AbstractSet
from functools import cached_property

from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]  # it is a table of words


class ListedPasswords:
    """The 30,000 passwords that leaks held most often (MIT licence). `more` are an installation's own."""

    def __init__(self, more: AbstractSet[str] = frozenset()) -> None:
        self._more = more

    def knows(self, password: str) -> bool:
        return password.casefold() in self._listed

    @cached_property
    def _listed(self) -> AbstractSet[str]:
        listed: list[str] = FREQUENCY_LISTS["passwords"]
        return frozenset(word.casefold() for word in (*listed, *self._more))

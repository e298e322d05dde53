"""What an adapter worked out about a series, kept for the next batch that holds it."""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import SeriesKey

T = TypeVar("T")
MAX_ENTRIES: Final = 2_000_000


class SeriesCache(Generic[T]):
    """Found by the identity of the key object first: callers that parse keep one object a series, and hashing a key
    of many tags takes longer than writing its point. Of equal objects only the latest is found so: it is the one that
    will come again. Not thread-safe. Forgets everything when full.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        self._entries = 0
        self._by_identity: dict[OrganizationId, dict[int, T]] = {}
        # The object stays beside its value: one that is kept alive keeps its id, which cannot become another key's.
        self._by_key: dict[OrganizationId, dict[SeriesKey, tuple[SeriesKey, T]]] = {}

    def __len__(self) -> int:
        return self._entries

    def find_all(self, organization_id: OrganizationId, series: Sequence[SeriesKey]) -> list[T] | None:
        """In the order of `series`; None if any of the objects was not seen before."""
        known = self._by_identity.get(organization_id, {})
        try:
            return list(map(known.__getitem__, map(id, series)))
        except KeyError:
            return None

    def find(self, organization_id: OrganizationId, series: Sequence[SeriesKey]) -> list[T | None]:
        """In the order of `series`; None for one that is not known."""
        known = self._by_identity.get(organization_id, {})
        found = [known.get(id(key)) for key in series]
        for position, value in enumerate(found):
            if value is None:
                found[position] = self._find_equal(organization_id, series[position])
        return found

    def remember(self, organization_id: OrganizationId, key: SeriesKey, value: T) -> None:
        replaced = self._by_key.get(organization_id, {}).pop(key, None)
        if replaced is not None:
            self._by_identity[organization_id].pop(id(replaced[0]), None)
            self._entries -= 1
        elif self._entries >= self._max_entries:
            self.forget_all()
        self._by_key.setdefault(organization_id, {})[key] = (key, value)
        self._by_identity.setdefault(organization_id, {})[id(key)] = value
        self._entries += 1

    def forget(self, organization_id: OrganizationId) -> None:
        self._entries -= len(self._by_key.pop(organization_id, {}))
        self._by_identity.pop(organization_id, None)

    def forget_all(self) -> None:
        self._by_identity.clear()
        self._by_key.clear()
        self._entries = 0

    def _find_equal(self, organization_id: OrganizationId, key: SeriesKey) -> T | None:
        known = self._by_key.get(organization_id, {}).get(key)
        if known is None:
            return None
        self.remember(organization_id, key, known[1])
        return known[1]

"""The first documents of a query in the order of (timestamp, event_id), from an engine that sorts by one field."""

from collections.abc import Iterator

import tantivy

from strata_stores.tantivy.compiler import beyond, equal, narrowed
from strata_stores.tantivy.reading import column, first_by
from strata_stores.tantivy.schema import ORDER

Keyed = list[tuple[tuple[int, ...], tantivy.DocAddress]]
"""Documents with what they are sorted by."""


def first_documents(
    searcher: tantivy.Searcher,
    query: tantivy.Query,
    limit: int,
    *,
    descending: bool,
    after: tuple[int, ...] | None = None,
    first: int = 0,
) -> Keyed:
    """By ORDER[first:], of which `after` has the values that the page before ended with."""
    if after is None:
        return _top(searcher, query, limit, first, descending=descending)
    found: Keyed = []
    for depth, rest in _groups_after(query, after, first, descending=descending):
        if len(found) < limit:
            top = _top(searcher, rest, limit - len(found), depth, descending=descending)
            found += [((*after[: depth - first], *key), address) for key, address in top]
    return found


def _groups_after(
    query: tantivy.Query, after: tuple[int, ...], first: int, *, descending: bool
) -> Iterator[tuple[int, tantivy.Query]]:
    """What is left after a document, in order: first what shares all but the last of its sort keys with it."""
    for depth in reversed(range(first, len(ORDER))):
        shared = (equal(field, value) for field, value in zip(ORDER[first:depth], after[: depth - first], strict=True))
        yield depth, narrowed(query, *shared, beyond(ORDER[depth], after[depth - first], descending=descending))


def _top(searcher: tantivy.Searcher, query: tantivy.Query, limit: int, depth: int, *, descending: bool) -> Keyed:
    """The first by ORDER[depth:].

    The engine breaks ties as it likes, so of those that tie with the last one it chose some. They are put aside and
    chosen again by the next field: exact however many share a timestamp, and never more than `limit` in memory.
    """
    hits = first_by(searcher, query, ORDER[depth], limit, descending=descending)
    if depth == len(ORDER) - 1 or not hits:
        return [((value,), address) for value, address in hits]
    edge = hits[-1][0]
    may_be_cut = len(hits) == limit
    sure = [address for value, address in hits if value != edge or not may_be_cut]
    keyed = _with_keys(searcher, sure, depth, descending=descending)
    if may_be_cut:
        tied = narrowed(query, equal(ORDER[depth], edge))
        chosen = _top(searcher, tied, limit - len(sure), depth + 1, descending=descending)
        keyed += [((edge, *key), address) for key, address in chosen]
    return keyed


def _with_keys(
    searcher: tantivy.Searcher, addresses: list[tantivy.DocAddress], depth: int, *, descending: bool
) -> Keyed:
    if not addresses:
        return []
    columns = [column(searcher, field, addresses) for field in ORDER[depth:]]
    keyed = zip(zip(*columns, strict=True), addresses, strict=True)
    return sorted(keyed, key=lambda pair: pair[0], reverse=descending)

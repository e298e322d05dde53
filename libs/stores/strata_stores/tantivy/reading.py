"""What is asked of a searcher, with the types that the engine's stubs lack."""

from collections.abc import Sequence

import tantivy

from strata_stores.tantivy.schema import TIMESTAMP


def matching(searcher: tantivy.Searcher, query: tantivy.Query) -> int:
    # Sorted by a field, though nobody looks at the hits: else each match is scored.
    result = searcher.search(query, limit=1, count=True, order_by_field=TIMESTAMP)
    count: int = result.count  # type: ignore[attr-defined]
    return count


def first_by(
    searcher: tantivy.Searcher, query: tantivy.Query, field: str, limit: int, *, descending: bool
) -> list[tuple[int, tantivy.DocAddress]]:
    """The field's values, in order, and where the documents are. The engine decides between equal values."""
    order = tantivy.Order.Desc if descending else tantivy.Order.Asc
    return searcher.search(query, limit=limit, count=False, order_by_field=field, order=order).hits


def column(searcher: tantivy.Searcher, field: str, addresses: Sequence[tantivy.DocAddress]) -> list[int]:
    values: list[int] = searcher.fast_field_values(field, list(addresses))  # type: ignore[assignment]
    return values

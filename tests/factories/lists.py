"""Pages of lists, as whoever asks for them gets them."""

import json
from typing import Any

from strata_core.context import Context
from strata_core.listing.views import ListView
from strata_core.ports.list_reader import ListReader, Question


def listed(reader: ListReader, question: Question) -> list[dict[str, Any]]:
    return [json.loads(row[0]) for row in reader.page(question)]


def walked(reader: ListReader, ctx: Context, view: ListView, *, limit: int) -> list[dict[str, Any]]:
    """All of a list, page by page."""
    items: list[dict[str, Any]] = []
    after: list[str] | None = None
    while rows := reader.page(view.question(ctx, limit=limit, after=after)):
        items += [json.loads(row[0]) for row in rows]
        after = [part.decode() for part in rows[-1][1:]]
    return items


def names_of(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]

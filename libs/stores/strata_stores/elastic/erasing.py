"""Removing events, in pages: delete-by-query is not in every distribution, and cannot be resumed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from elasticsearch import Elasticsearch

from strata_datamodel.errors import StoreUnavailableError
from strata_stores.elastic.answers import checked
from strata_stores.elastic.bulk import Item, Send, send_all
from strata_stores.elastic.compiler import Query
from strata_stores.elastic.trouble import STORE

_PAGE: Final = 1_000
_ROUNDS: Final = 3
_KEEP_ALIVE: Final = "2m"


def erase(
    client: Elasticsearch,
    pattern: str,
    query: Query,
    send: Send,
    pause: Callable[[float], object],
) -> None:
    """Begins anew, a few times, while events keep arriving."""
    for _ in range(_ROUNDS):
        client.indices.refresh(index=pattern)
        with _view(client, pattern) as view:
            for page in _pages(client, view, query):
                refused = send_all(page, send, pause)
                if refused:
                    raise StoreUnavailableError(STORE, f"a deletion was refused: {refused[0].reason}")
        client.indices.refresh(index=pattern)
        if not checked(client.count(index=pattern, query=query).body)["count"]:
            return
    raise StoreUnavailableError(STORE, "events keep arriving while they are deleted")


@contextmanager
def _view(client: Elasticsearch, pattern: str) -> Iterator[str]:
    view: str = client.open_point_in_time(index=pattern, keep_alive=_KEEP_ALIVE).body["id"]
    try:
        yield view
    finally:
        client.close_point_in_time(id=view)


def _pages(client: Elasticsearch, view: str, query: Query) -> Iterator[list[Item]]:
    after: list[Any] | None = None
    while True:
        answer = checked(
            client.search(
                pit={"id": view, "keep_alive": _KEEP_ALIVE},
                query=query,
                size=_PAGE,
                sort=[{"_shard_doc": "asc"}],
                search_after=after,
                source=False,
                track_total_hits=False,
            ).body
        )
        hits = answer["hits"]["hits"]
        if not hits:
            return
        yield [Item(place, _deletion(hit)) for place, hit in enumerate(hits)]
        after = hits[-1]["sort"]


def _deletion(hit: dict[str, Any]) -> bytes:
    return json.dumps({"delete": {"_index": hit["_index"], "_id": hit["_id"]}}).encode()

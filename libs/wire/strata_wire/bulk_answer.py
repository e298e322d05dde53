"""The answer to a bulk request, in the exact form its clients read."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

import orjson

from strata_wire.bulk import BulkItem

_FILTERS: Final = 32
_FILTER_PARTS: Final = 8
_ID: Final = b'"_id":'
_BLANK_ID: Final = _ID + b'""'  # quotes inside a string are escaped: no name or value can hold these bytes
Path = tuple[str, ...]


def bulk_answer(items: Sequence[BulkItem], took_ms: int, filter_path: str = "") -> bytes:
    head: dict[str, object] = {"errors": any(item.error is not None for item in items), "took": took_ms}
    paths = _paths(filter_path)
    if not items:
        answer = {**head, "items": []}
        return orjson.dumps((_filtered(answer, paths) or {}) if paths else answer)
    kept = (_filtered(head, paths) or {}) if paths else head
    members = [orjson.dumps(kept)[1:-1]] if kept else []
    answers = list(_answers(items, paths))
    if answers:
        members.append(b'"items":[' + b",".join(answers) + b"]")
    return b"{" + b",".join(members) + b"}"


def _answers(items: Sequence[BulkItem], paths: list[Path]) -> Iterator[bytes]:
    """Items that were stored differ by their ids alone, and nearly all were stored: their other bytes are made once."""
    created: dict[tuple[str, str], tuple[bytes, bytes, bytes]] = {}
    for item in items:
        if item.error is not None:
            answer = _encoded(item, paths)
        else:
            around = created.get((item.action, item.index))
            if around is None:
                blank = BulkItem(item.action, item.index, "", None)
                around = created[item.action, item.index] = _encoded(blank, paths).partition(_BLANK_ID)
            before, blank_id, after = around
            answer = before + _ID + orjson.dumps(item.document_id) + after if blank_id else before
        if answer:
            yield answer


def _encoded(item: BulkItem, paths: list[Path]) -> bytes:
    """Nothing when the paths leave nothing of it."""
    answer: object = {item.action: _outcome(item)}
    if paths:
        kept = _filtered({"items": [answer]}, paths)
        if not isinstance(kept, dict):
            return b""
        (answer,) = kept["items"]
    return orjson.dumps(answer)


def _outcome(item: BulkItem) -> dict[str, object]:
    if item.error is not None:
        error = {"type": item.error.type, "reason": item.error.reason}
        return {"_index": item.index, "_id": item.document_id, "status": item.error.status, "error": error}
    return {
        "_index": item.index,
        "_id": item.document_id,
        "_version": 1,
        "result": "created",
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "_seq_no": 0,
        "_primary_term": 1,
        "status": 201,
    }


def _paths(filter_path: str) -> list[Path]:
    paths = [tuple(path.strip().split(".")[:_FILTER_PARTS]) for path in filter_path.split(",")[:_FILTERS]]
    return [path for path in paths if path != ("",)]


def _filtered(value: object, paths: list[Path]) -> object | None:
    """What the paths name; lists are looked through, and what is left empty goes."""
    if isinstance(value, list):
        return [kept for kept in (_filtered(item, paths) for item in value) if kept is not None] or None
    if not isinstance(value, dict):
        return None
    kept: dict[str, object] = {}
    for name, inner in value.items():
        below = [rest for path in paths for rest in _after(path, name)]
        part = inner if () in below else _filtered(inner, below) if below else None
        if part is not None:
            kept[name] = part
    return kept or None


def _after(path: Path, name: str) -> Iterator[Path]:
    """What remains of the path below this name. `**` stands for any number of names."""
    if path[0] == "**":
        yield path
        if len(path) > 1:
            yield from _after(path[1:], name)
        else:
            yield ()
    elif fnmatchcase(name, path[0]):
        yield path[1:]

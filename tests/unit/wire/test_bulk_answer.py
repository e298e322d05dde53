import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_wire.bulk import BulkError, BulkItem
from strata_wire.bulk_answer import bulk_answer

GOOD = BulkItem("index", "app", "1", None)
BAD = BulkItem("create", "app", "2", BulkError("document_parsing_exception", "failed to parse"))


def answer(*items, filter_path=""):
    return json.loads(bulk_answer(items, 3, filter_path))


def test_each_item_answers_in_order_under_its_action():
    reply = answer(GOOD, BAD)
    assert (reply["took"], reply["errors"]) == (3, True)
    assert [list(item) for item in reply["items"]] == [["index"], ["create"]]
    assert reply["items"][0]["index"]["status"] == 201
    assert reply["items"][0]["index"]["_index"] == "app"
    assert reply["items"][1]["create"] == {
        "_index": "app",
        "_id": "2",
        "status": 400,
        "error": {"type": "document_parsing_exception", "reason": "failed to parse"},
    }


def test_errors_is_false_when_all_were_stored():
    assert answer(GOOD, GOOD)["errors"] is False


@pytest.mark.parametrize(
    ("filter_path", "expected"),
    [
        (
            "errors,items.*.error,items.*.status",
            {
                "errors": True,
                "items": [
                    {"index": {"status": 201}},
                    {
                        "create": {
                            "status": 400,
                            "error": {"type": "document_parsing_exception", "reason": "failed to parse"},
                        }
                    },
                ],
            },
        ),
        ("errors", {"errors": True}),
        ("items.*.error.type", {"items": [{"create": {"error": {"type": "document_parsing_exception"}}}]}),
        ("items.index._id", {"items": [{"index": {"_id": "1"}}]}),
        ("**.reason", {"items": [{"create": {"error": {"reason": "failed to parse"}}}]}),
        ("to*", {"took": 3}),
        ("nothing", {}),
    ],
)
def test_filter_path_keeps_what_it_names(filter_path, expected):
    assert answer(GOOD, BAD, filter_path=filter_path) == expected


def test_an_empty_filter_keeps_all():
    assert set(answer(GOOD, filter_path=" ,")) == {"took", "errors", "items"}


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12) | st.sampled_from(['"_id":""', "a,b", "\\"])
ITEMS = st.builds(
    BulkItem,
    st.sampled_from(["index", "create"]),
    TEXTS,
    TEXTS,
    st.none() | st.builds(BulkError, TEXTS, TEXTS),
)


def expected(item):
    if item.error is None:
        created = {"_version": 1, "result": "created", "_seq_no": 0, "_primary_term": 1, "status": 201}
        shards = {"total": 1, "successful": 1, "failed": 0}
        return {item.action: {"_index": item.index, "_id": item.document_id, **created, "_shards": shards}}
    error = {"type": item.error.type, "reason": item.error.reason}
    return {item.action: {"_index": item.index, "_id": item.document_id, "status": item.error.status, "error": error}}


@given(st.lists(ITEMS, max_size=8))
def test_each_item_has_its_own_index_and_id_whatever_they_hold(items):
    errors = any(item.error for item in items)
    assert answer(*items) == {"errors": errors, "took": 3, "items": [expected(item) for item in items]}


@given(
    st.lists(ITEMS, min_size=1, max_size=6),
    st.sampled_from(
        [
            "items.*._id",
            "items.*.status,took",
            "items.index",
            "items.create._index",
            "items.*.error",
            "**._id",
            "*",
            "x",
        ]
    ),
)
def test_items_are_filtered_each_like_one_alone(items, filter_path):
    alone = [answer(item, filter_path=filter_path).get("items", []) for item in items]
    assert answer(*items, filter_path=filter_path).get("items", []) == [kept for part in alone for kept in part]

import json

import pytest

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

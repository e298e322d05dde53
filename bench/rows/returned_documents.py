"""Whether every document that was sent is there, once: asked as a user would, page by page."""

from collections import Counter
from datetime import timedelta
from typing import Final

from bench.failure import BenchError
from bench.server import Ask
from bench.workloads.documents import DocumentWorkload

_PAGE: Final = 1_000


def check_documents(ask: Ask, workload: DocumentWorkload, bodies: int) -> None:
    """A second of the workload at a time: pages of a short range come quickly."""
    for number in range(bodies):
        found = Counter(_sequences(ask, workload, number))
        expected = Counter(
            seq for connection in range(workload.connections) for seq in workload.sequences(connection, number)
        )
        if found != expected:
            missing, surplus = (expected - found).total(), (found - expected).total()
            raise BenchError(f"bodies {number}: {missing} documents are missing, {surplus} are there too often")


def _sequences(ask: Ask, workload: DocumentWorkload, number: int) -> list[int]:
    begin = workload.start + timedelta(seconds=number)
    question: dict[str, object] = {
        "from": begin.isoformat(),
        "to": (begin + timedelta(seconds=1)).isoformat(),
        "limit": _PAGE,
        "order": "asc",
    }
    sequences: list[int] = []
    while True:
        page = ask("logs/search", question)
        sequences += [item["metadata"]["seq"] for item in page["items"]]
        if page["next_cursor"] is None:
            return sequences
        question["cursor"] = page["next_cursor"]

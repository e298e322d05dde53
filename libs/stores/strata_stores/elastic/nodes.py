"""What each node of a cluster says of its clock and its disk."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from elasticsearch import Elasticsearch

_WANTED: Final = ("nodes.*.timestamp", "nodes.*.fs.total.available_in_bytes")


@dataclass(frozen=True, slots=True)
class NodeState:
    """`free_bytes` is None for a node that keeps no data."""

    time: datetime
    free_bytes: int | None


def node_states(client: Elasticsearch) -> list[NodeState]:
    nodes = client.nodes.stats(metric="fs", filter_path=_WANTED).body.get("nodes", {})
    return [
        NodeState(
            datetime.fromtimestamp(node["timestamp"] / 1_000, UTC),
            node.get("fs", {}).get("total", {}).get("available_in_bytes"),
        )
        for node in nodes.values()
    ]

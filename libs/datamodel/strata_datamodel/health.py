"""What a store says of itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """`detail` is fit for an operator's eyes: no secrets, no tenant data. `version` is empty when unknown. Without
    one that is not required the process serves on, slower: it is degraded, and stays in the load balancer."""

    store: str
    is_ready: bool
    detail: str
    version: str = ""
    latency_ms: float | None = None
    is_required: bool = True

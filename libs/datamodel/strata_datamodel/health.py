"""What a store says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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


@dataclass(frozen=True, slots=True)
class StoreTrial:
    """What came of doing with a store, once and on a probe, each thing that Strata does with it. `refused` has what it
    said to those it would not do. `skew_s` is how far its clock is ahead of ours, `free_bytes` the least room on any of
    its disks: each None where the store does not tell."""

    store: str
    granted: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    skew_s: float | None = None
    free_bytes: int | None = None

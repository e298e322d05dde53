"""What orchestrators and Prometheus ask: they must get their answer, however busy or limited all else is."""

from typing import Final

PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})

"""What every long-running process sets up first: its log and, where asked for, its traces."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from strata_core.observing.logging import configure_logging
from strata_core.observing.tracing import configure_tracing
from strata_stores.settings import Settings


@contextmanager
def observed(settings: Settings, role: str) -> Iterator[None]:
    configure_logging(settings.log_level, settings.log_format)
    if settings.traces_endpoint is None:
        yield
        return
    finish = configure_tracing(settings.traces_endpoint, f"strata-{role}", version("strata"))
    try:
        yield
    finally:
        finish()

"""How a process ends whose writers would not."""

import os
import sys
from collections.abc import Callable

import structlog

from strata_cli.rendering import EXIT_PROBLEM

log = structlog.get_logger(__name__)


def stop_or_end_here(stop: Callable[[], bool]) -> None:
    """Returns when `stop` says that nothing uses the stores any more. Else the process ends at once, and closes none of
    them: under a thread that is in the middle of a write a store could be closed half, or block for ever. What then
    happens is what follows a kill -9, which everything recovers from; what is not written yet is in the spool."""
    if stop():
        return
    log.error("ended_under_a_writer", reason="a writer is still busy; the next start writes what is in the spool")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_PROBLEM)

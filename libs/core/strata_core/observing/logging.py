"""Structured logs: lower-case event names, request id and organization on every line, never a secret."""

import logging
import re
import sys
from collections.abc import Iterable
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from strata_core.secret_names import is_secret_name

SECRET_VALUES = re.compile(r"strata_[a-z0-9]+_[0-9A-Za-z]+_[0-9A-Za-z]+|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)")
REDACTED = "[redacted]"
_LINE_CHARACTERS = 8_192


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop what a name or a shape gives away as a secret, wherever in the event it stands."""
    return {key: REDACTED if is_secret_name(key) else _clean(value) for key, value in event.items()}


def _clean(value: object, depth: int = 0) -> object:
    if isinstance(value, str):
        return SECRET_VALUES.sub(REDACTED, value)[:_LINE_CHARACTERS]
    if depth < 4 and isinstance(value, dict):
        return {key: REDACTED if is_secret_name(str(key)) else _clean(item, depth + 1) for key, item in value.items()}
    if depth < 4 and isinstance(value, list | tuple):
        return [_clean(item, depth + 1) for item in value]
    return value


def configure_logging(level: str, log_format: str, stream: TextIO = sys.stderr) -> None:
    """Route structlog and the standard library through one chain. Called once a process, by its bootstrap."""
    as_json = log_format == "json" or (log_format == "auto" and not stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.stdlib.ExtraAdder(),
    ]
    final: Iterable[Processor] = (
        [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.processors.format_exc_info, redact, structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    )
    structlog.configure(
        # First of all: what is not told must cost next to nothing, and there is a line for every request.
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "elastic_transport", "urllib3", "rq", "alembic", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

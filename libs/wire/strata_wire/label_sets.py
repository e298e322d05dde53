"""Which series a set of Prometheus' labels is."""

from collections.abc import Sequence
from typing import Final

from strata_datamodel.limits import NAME_BYTES, TAG_VALUE_BYTES, TAGS_PER_SERIES
from strata_datamodel.metrics import Tags
from strata_wire.line_grammar import Fault

VALUE: Final = "value"
NAME: Final = "__name__"

Labels = Sequence[tuple[bytes, bytes]]

_SHOWN: Final = 300
# No store can hold them: line breaks would end a line of line protocol, and PostgreSQL has no text with a NUL in it.
_UNFIT: Final = "\n\r\0"
_SPACES: Final = str.maketrans(_UNFIT, " " * len(_UNFIT))


class SampleError(Exception):
    """A series or a sample of it cannot be taken; the text says why."""

    def __init__(self, reason: str, fault: Fault = Fault.MALFORMED) -> None:
        super().__init__(reason)
        self.fault = fault


def identity_of(labels: Labels) -> tuple[str, Tags]:
    """Measurement and tags. A label without a value is as good as none. Raises SampleError."""
    known: dict[str, str] = {}
    for raw_name, raw_value in labels:
        name = _decoded(raw_name, NAME_BYTES, "a label's name")
        if not name:
            raise SampleError("a label has no name")
        if name in known:
            raise SampleError(f'duplicate label "{name}"')
        limit = NAME_BYTES if name == NAME else TAG_VALUE_BYTES
        known[name] = _decoded(raw_value, limit, f'the value of label "{name}"')
    measurement = known.pop(NAME, "")
    if not measurement:
        raise SampleError(f"no label {NAME}")
    tags = tuple(sorted((name, value) for name, value in known.items() if value))
    if len(tags) > TAGS_PER_SERIES:
        raise SampleError(f"more than {TAGS_PER_SERIES} labels")
    return measurement, tags


def shown(labels: Labels) -> str:
    """For people, and no longer than they read."""
    texts = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in labels[:TAGS_PER_SERIES]}
    measurement = texts.pop(NAME, "")
    inside = ",".join(f'{name}="{value}"' for name, value in texts.items())
    return f"{measurement}{{{inside}}}"[:_SHOWN]


def _decoded(raw: bytes, limit: int, what: str) -> str:
    if len(raw) > limit:
        raise SampleError(f"{what} is longer than {limit} bytes")
    try:
        return raw.decode().translate(_SPACES)
    except UnicodeDecodeError:
        raise SampleError(f"{what} is not valid UTF-8") from None

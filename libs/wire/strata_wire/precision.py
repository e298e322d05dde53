"""What one unit of a sent timestamp is."""

from typing import Final

from strata_datamodel.errors import InvalidError

PRECISION: Final = "precision"
"""The envelope parameter that carries it."""

NANOSECONDS: Final = "ns"

UNIT_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}

_V1_SPELLINGS: Final = {"": "ns", "n": "ns", "ns": "ns", "u": "us", "us": "us", "µ": "us", "ms": "ms", "s": "s"} | {
    "m": "m",
    "h": "h",
}
_V2_SPELLINGS: Final = {"": "ns", "ns": "ns", "us": "us", "ms": "ms", "s": "s"}


def v1_precision(text: str) -> str:
    return _precision(text, _V1_SPELLINGS, f'invalid precision "{text[:16]}" (use n, u, ms, s, m or h)')


def v2_precision(text: str) -> str:
    return _precision(text, _V2_SPELLINGS, "invalid precision; valid precision units are ns, us, ms, and s")


def _precision(text: str, spellings: dict[str, str], complaint: str) -> str:
    precision = spellings.get(text)
    if precision is None:
        raise InvalidError(complaint, code="invalid_precision")
    return precision

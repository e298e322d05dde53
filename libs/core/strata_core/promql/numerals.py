"""Numbers as Prometheus writes them."""

import math
from decimal import Decimal


def go_shortest(value: float) -> str:
    """The fewest digits that are this number."""
    if math.isfinite(value):
        return repr(value).removesuffix(".0")
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def go_fixed(value: float) -> str:
    """The same, never with an exponent: as a label's value."""
    text = go_shortest(value)
    return f"{Decimal(text):f}" if "e" in text else text

"""Numbers as bins of a logarithmic scale, which can be added up: what a bin stands for is within 1/100 of each number
in it."""

import math
from typing import Final

_ERROR: Final = 0.0099  # the rest of the hundredth is for rounding
_RATIO: Final = (1 + _ERROR) / (1 - _ERROR)
_LOG_RATIO: Final = math.log(_RATIO)
_LOG_MIDDLE: Final = math.log((_RATIO + 1) / 2)
# Farther than any double's size is from 1, counted in bins: bins are in the order of their numbers.
_FROM_ZERO: Final = 40_000
_GREATEST: Final = 1.7976931348623157e308

BIN: Final = f"""
    CASE WHEN v > 0 THEN ceil(ln(v) / {_LOG_RATIO!r})::INTEGER + {_FROM_ZERO}
         WHEN v < 0 THEN -ceil(ln(-v) / {_LOG_RATIO!r})::INTEGER - {_FROM_ZERO} ELSE 0 END
"""
"""The bin of `v`."""

VALUE: Final = f"""
    CASE WHEN bin = 0 THEN 0.0
         ELSE sign(bin) * least(exp((abs(bin) - {_FROM_ZERO}) * {_LOG_RATIO!r} - {_LOG_MIDDLE!r}), {_GREATEST!r}) END
"""
"""What `bin` stands for."""

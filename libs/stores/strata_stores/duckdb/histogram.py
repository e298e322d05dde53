"""The buckets of `strata_core.metrics.histograms`, in SQL."""

import math
from typing import Final

from strata_core.metrics.histograms import BUCKETS_PER_E, MIDDLE

_FROM_UPPER_BOUND: Final = 2.0 / (1.0 + math.exp(1.0 / BUCKETS_PER_E))
_GREATEST: Final = 1.7976931348623157e308

BIN: Final = f"""
    CASE WHEN v > 0 THEN ceil(ln(v) * {BUCKETS_PER_E})::INTEGER + {MIDDLE}
         WHEN v < 0 THEN -ceil(ln(-v) * {BUCKETS_PER_E})::INTEGER - {MIDDLE} ELSE 0 END
"""
"""The bucket of `v`."""

VALUE: Final = f"""
    CASE WHEN bin = 0 THEN 0.0
         ELSE sign(bin) * least(exp((abs(bin) - {MIDDLE}) / {BUCKETS_PER_E}.0) * {_FROM_UPPER_BOUND!r}, {_GREATEST!r})
    END
"""
"""What `bin` stands for."""

"""The functions there are, with what they take and give."""

from dataclasses import dataclass
from typing import Final

from strata_core.promql.syntax import ValueType

_SCALAR: Final = ValueType.SCALAR
_VECTOR: Final = ValueType.VECTOR
_MATRIX: Final = ValueType.MATRIX
_TEXT: Final = ValueType.STRING


@dataclass(frozen=True, slots=True)
class Signature:
    """Of the last `optional` arguments there may be fewer; with `repeats` the very last may come more often."""

    takes: tuple[ValueType, ...]
    gives: ValueType = ValueType.VECTOR
    optional: int = 0
    repeats: bool = False


_OF_VECTOR: Final = Signature((_VECTOR,))
_OF_RANGE: Final = Signature((_MATRIX,))
_OF_TIME: Final = Signature((_VECTOR,), optional=1)

FUNCTIONS: Final = {
    **dict.fromkeys(
        [
            "abs",
            "acos",
            "acosh",
            "asin",
            "asinh",
            "atan",
            "atanh",
            "ceil",
            "cos",
            "cosh",
            "deg",
            "exp",
            "floor",
            "ln",
            "log10",
            "log2",
            "rad",
            "sgn",
            "sin",
            "sinh",
            "sqrt",
            "tan",
            "tanh",
            "absent",
            "sort",
            "sort_desc",
            "timestamp",
        ],
        _OF_VECTOR,
    ),
    **dict.fromkeys(
        [
            "rate",
            "irate",
            "increase",
            "delta",
            "idelta",
            "deriv",
            "changes",
            "resets",
            "absent_over_time",
            "avg_over_time",
            "count_over_time",
            "last_over_time",
            "max_over_time",
            "min_over_time",
            "present_over_time",
            "stddev_over_time",
            "stdvar_over_time",
            "sum_over_time",
        ],
        _OF_RANGE,
    ),
    **dict.fromkeys(
        ["day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year"], _OF_TIME
    ),
    "clamp": Signature((_VECTOR, _SCALAR, _SCALAR)),
    "clamp_max": Signature((_VECTOR, _SCALAR)),
    "clamp_min": Signature((_VECTOR, _SCALAR)),
    "histogram_quantile": Signature((_SCALAR, _VECTOR)),
    "label_join": Signature((_VECTOR, _TEXT, _TEXT, _TEXT), optional=1, repeats=True),
    "label_replace": Signature((_VECTOR, _TEXT, _TEXT, _TEXT, _TEXT)),
    "pi": Signature((), _SCALAR),
    "predict_linear": Signature((_MATRIX, _SCALAR)),
    "quantile_over_time": Signature((_SCALAR, _MATRIX)),
    "round": Signature((_VECTOR, _SCALAR), optional=1),
    "scalar": Signature((_VECTOR,), _SCALAR),
    "time": Signature((), _SCALAR),
    "vector": Signature((_SCALAR,)),
}
LEFT_OUT: Final = frozenset(
    [
        "holt_winters",
        "double_exponential_smoothing",
        "histogram_avg",
        "histogram_count",
        "histogram_sum",
        "histogram_fraction",
        "histogram_stddev",
        "histogram_stdvar",
        "mad_over_time",
        "sort_by_label",
        "sort_by_label_desc",
        "info",
        "limitk",
        "limit_ratio",
        "ts_of_first_over_time",
        "ts_of_last_over_time",
        "ts_of_max_over_time",
        "ts_of_min_over_time",
        "first_over_time",
    ]
)
"""Functions and aggregations of Prometheus, and none here."""

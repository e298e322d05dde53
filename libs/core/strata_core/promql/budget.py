"""What a query may still take."""

from dataclasses import dataclass

from strata_core.departures import check_wanted
from strata_core.ports.clock import Clock
from strata_datamodel.errors import DeadlineError, LimitError
from strata_datamodel.limits import PROMQL_VALUES


@dataclass(frozen=True, slots=True)
class Budget:
    """Looked at between the parts of a query: nothing ends a part that has begun."""

    clock: Clock
    ends_at_s: float

    def check(self) -> None:
        """Raises DeadlineError (code `promql_timeout`), and CallerLeftError when nobody waits any more."""
        check_wanted()
        if self.clock.monotonic_s() > self.ends_at_s:
            raise DeadlineError("query timed out in expression evaluation", code="promql_timeout")

    def allow(self, series: int, steps: int) -> None:
        """Raises LimitError (code `promql_values`) as well."""
        self.check()
        if series * steps > PROMQL_VALUES:
            raise LimitError(
                f"{series} series at {steps} steps are more than {PROMQL_VALUES} values",
                code="promql_values",
                hint="select fewer series, or ask for a longer step or a shorter range",
            )

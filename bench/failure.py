"""Why a run does not count."""


class BenchError(Exception):
    """What was measured is not what was meant to be measured. No figure of the run may be shown."""


class LackingError(Exception):
    """What the row compares with is not on this machine: there is nothing to measure, and nothing wrong."""

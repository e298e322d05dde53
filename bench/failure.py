"""Why a run does not count."""


class BenchError(Exception):
    """What was measured is not what was meant to be measured. No figure of the run may be shown."""

"""Where the `strata` command starts: restarts itself for the allocator before anything heavy is imported."""

import sys

from strata_cli.allocator import tune_allocator


def main() -> None:
    if sys.argv[1:2] in (["up"], ["ingest"]):
        tune_allocator()
    from strata_cli.main import main as run  # noqa: PLC0415 - the import is what the restart must come before

    run()

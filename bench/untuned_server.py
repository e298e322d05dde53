"""`strata up` without its allocator settings. Giving it others through the environment would not do: any value there,
the C library's own default too, switches off the adjusting that glibc does by itself."""

from strata_cli.signals import termination_raises
from strata_cli.up import run_up
from strata_stores.settings import load_settings

if __name__ == "__main__":
    with termination_raises():
        run_up(load_settings())

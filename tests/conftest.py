"""Fixtures every test may ask for, each in its own file under `fixtures/`."""

pytest_plugins = [
    "fixtures.relational",  # before those that import it, so that its assertions are rewritten
    "fixtures.api",
    "fixtures.data_directories",
    "fixtures.embedded",
    "fixtures.fault_proxies",
    "fixtures.holdings",
    "fixtures.ingest",
    "fixtures.object_store",
    "fixtures.stores",
    "fixtures.strata_up",
]

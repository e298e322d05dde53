"""Fixtures every test may ask for, each in its own file under `fixtures/`."""

pytest_plugins = [
    "fixtures.api",
    "fixtures.data_directories",
    "fixtures.embedded",
    "fixtures.fault_proxies",
    "fixtures.relational",
    "fixtures.stores",
]

"""Alembic environment and versions. `strata_stores.postgres.migrating` runs them."""

from pathlib import Path

LOCATION = Path(__file__).parent

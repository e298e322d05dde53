"""What retentions tell the rest."""

from typing import Final

SCHEMA_VERSION: Final = 1
TIER_RETENTION_CHANGED: Final = "tier_retention.changed"

"""What quotas tell the rest."""

from typing import Final

SCHEMA_VERSION: Final = 1
QUOTA_CHANGED: Final = "quota.changed"

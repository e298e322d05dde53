"""What is kept of servers in rows."""

from enum import StrEnum
from typing import Final


class Column(StrEnum):
    """Of the table `server_metrics`, which rows are filled into."""

    CPU_USAGE = "cpu_usage"
    MEMORY_USAGE = "memory_usage"
    DISK_USAGE = "disk_usage"
    LOAD_AVERAGE = "load_average"
    NETWORK_IN = "network_in"
    NETWORK_OUT = "network_out"


PERCENTAGES: Final = (Column.CPU_USAGE, Column.MEMORY_USAGE, Column.DISK_USAGE)
COUNTERS: Final = (Column.NETWORK_IN, Column.NETWORK_OUT)
"""Bytes since the server began to count. They only rise, until it begins again."""
LEVELS: Final = {
    "cpu": Column.CPU_USAGE,
    "memory": Column.MEMORY_USAGE,
    "disk": Column.DISK_USAGE,
    "load": Column.LOAD_AVERAGE,
}
"""By the name that they have in hours and days."""

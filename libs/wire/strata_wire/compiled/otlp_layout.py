"""Places in the description of a walk over OTLP metrics, and why it ended."""

from typing import Final

DONE: Final = 0
ODD_BODY: Final = 1
ODD_POINT: Final = 2
NEW_CONTEXT: Final = 3
NEW_HEAD: Final = 4
NEW_ATTRIBUTES: Final = 5
NEW_BUCKETS: Final = 6
FULL: Final = 7

# First what changes on the way: where it is; points and series so far; data points taken; all that was entered;
AT: Final = 0
POINTS: Final = 1
USED: Final = 2
TAKEN: Final = 3
ITEMS: Final = 4
# where the resource, the scope, the metric and its data end; the slots of what they are; the kind of the data, how many
# of its data points were passed, the attributes of the last;
RESOURCE_END: Final = 5
SCOPE_END: Final = 6
METRIC_END: Final = 7
DATA_END: Final = 8
RESOURCE: Final = 9
SCOPE: Final = 10
HEAD: Final = 11
KIND: Final = 12
NUMBER: Final = 13
LAST_ATTRIBUTES: Final = 14
# what was not known when it ended,
START: Final = 15
END: Final = 16
HASH: Final = 17
OWNER: Final = 18
# what the body is and may hold,
BASE: Final = 19
LENGTH: Final = 20
BODY_MARK: Final = 21
OLDEST_NS: Final = 22
NEWEST_NS: Final = 23
RECEIVED_NS: Final = 24
ITEMS_MAX: Final = 25
# addresses of what is known: bytes; contexts, which are resources and the scopes under each; heads of metrics under a
# scope; attributes under a head; bounds of buckets under attributes; then which attributes came first in each metric
# and which after which, the buckets that attributes had last, and the series of attributes and of buckets,
ARENA: Final = 26
CONTEXTS: Final = 27
HEADS: Final = 28
ATTRIBUTES: Final = 29
BUCKETS: Final = 30
HEAD_FIRST: Final = 31
FOLLOWING: Final = 32
LAST_BUCKETS: Final = 33
ATTRIBUTES_SERIES: Final = 34
BUCKETS_SERIES: Final = 35
MEMBERS: Final = 36
NUMBERED: Final = 37
# and of columns.
OUT_SERIES: Final = 38
OUT_TIMES: Final = 39
OUT_VALUES: Final = 40
OUT_ROOM: Final = 41
# Where the data point lies at which it ended, and what it holds: the slot of its attributes, or -1; flags; which fields
# of eight bytes are there, the last of those that are a number's value, all of them by their numbers; and where the
# counts and the bounds of its buckets begin and end.
POINT_START: Final = 42
POINT_END: Final = 43
POINT_ATTRIBUTES: Final = 44
POINT_FLAGS: Final = 45
PRESENT: Final = 46
VALUE_FIELD: Final = 47
LONGS: Final = 48
COUNTS_AT: Final = 64
COUNTS_END: Final = 65
BOUNDS_AT: Final = 66
BOUNDS_END: Final = 67
WALK_SIZE: Final = 68

NO_OWNER: Final = -1
GAUGE: Final = 5
SUM: Final = 7
HISTOGRAM: Final = 9
SUMMARY: Final = 11

# Heads are told apart by the temporality of their data too, buckets by what else their data points have.
TEMPORALITIES: Final = 4
HAS_SUM: Final = 1
HAS_MIN: Final = 2
HAS_MAX: Final = 4
HAS_BUCKETS: Final = 8
PRESENCES: Final = 16

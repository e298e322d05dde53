"""Which series fill which column."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from strata_datamodel.latest import HOST_TAGS
from strata_datamodel.metrics import FieldClass, SeriesKey
from strata_datamodel.server_metrics import COUNTERS, Column

_NONE: Final = ""
_PERCENT: Final = frozenset({_NONE, "%", "percent"})
_NOT_OUTSIDE: Final = ("lo", "docker", "veth", "br-", "virbr", "cni", "flannel")
"""How the names of interfaces begin whose bytes never leave the server, or are counted at another one too."""


@dataclass(frozen=True, slots=True)
class Source:
    """A series of this measurement and field whose tags have one of these values; a tag it lacks counts as empty.
    `is_idle`: what is left of 100 is the value. `interface` is the tag that names one of several."""

    measurement: str
    field_name: str
    column: Column
    tags: Mapping[str, frozenset[str]] = field(default_factory=dict)
    is_idle: bool = False
    interface: str | None = None


def _of_kind(column: Column, kind: str, **tags: frozenset[str]) -> Source:
    return Source("system_metrics", "value", column, {"metric_type": frozenset({kind}), **tags})


def _of_collectd(measurement: str, column: Column, kind: str, instance: str = _NONE) -> Source:
    wanted = {"type": frozenset({kind}), "type_instance": frozenset({instance})}
    return Source(measurement, "value", column, wanted, is_idle=instance == "idle")


_WHOLE_CPU: Final = {"cpu": frozenset({_NONE, "cpu-total"})}
_IN: Final = frozenset({"in", "rx", "received"})
_OUT: Final = frozenset({"out", "tx", "sent"})

SOURCES: Final[tuple[Source, ...]] = (
    *(Source("server_metrics", column.value, column) for column in Column),
    # Of the specification
    _of_kind(Column.CPU_USAGE, "cpu", unit=_PERCENT),
    _of_kind(Column.MEMORY_USAGE, "memory", unit=_PERCENT),
    _of_kind(Column.DISK_USAGE, "disk", unit=_PERCENT),
    _of_kind(Column.NETWORK_IN, "network", direction=_IN, unit=frozenset({_NONE, "bytes"})),
    _of_kind(Column.NETWORK_OUT, "network", direction=_OUT, unit=frozenset({_NONE, "bytes"})),
    # Telegraf
    Source("cpu", "usage_idle", Column.CPU_USAGE, _WHOLE_CPU, is_idle=True),
    Source("cpu", "usage_active", Column.CPU_USAGE, _WHOLE_CPU),
    Source("mem", "used_percent", Column.MEMORY_USAGE),
    Source("disk", "used_percent", Column.DISK_USAGE, {"path": frozenset({"/"})}),
    Source("system", "load1", Column.LOAD_AVERAGE),
    Source("net", "bytes_recv", Column.NETWORK_IN, interface="interface"),
    Source("net", "bytes_sent", Column.NETWORK_OUT, interface="interface"),
    # collectd, as InfluxDB names what it gets from there
    _of_collectd("cpu_value", Column.CPU_USAGE, "percent", "idle"),
    _of_collectd("memory_value", Column.MEMORY_USAGE, "percent", "used"),
    _of_collectd("df_value", Column.DISK_USAGE, "percent_bytes", "used"),
    _of_collectd("load_shortterm", Column.LOAD_AVERAGE, "load"),
    Source("interface_rx", "value", Column.NETWORK_IN, {"type": frozenset({"if_octets"})}, interface="instance"),
    Source("interface_tx", "value", Column.NETWORK_OUT, {"type": frozenset({"if_octets"})}, interface="instance"),
)
_ROOT_OF_DF: Final = frozenset({_NONE, "root"})
_ONE_OF_MANY: Final = {"cpu_value": frozenset({_NONE}), "df_value": _ROOT_OF_DF}
"""collectd tells one of several cores or disks by its tag `instance`: those that stand for the server."""


def _by_name() -> dict[tuple[str, str], list[Source]]:
    found: dict[tuple[str, str], list[Source]] = {}
    for source in SOURCES:
        found.setdefault((source.measurement, source.field_name), []).append(source)
    return found


_SOURCES: Final = _by_name()


@dataclass(frozen=True, slots=True)
class Filling:
    """What a series fills: a column of a host's rows."""

    host: str
    column: Column
    is_idle: bool

    @property
    def is_counter(self) -> bool:
        return self.column in COUNTERS


def filling_of(series: SeriesKey) -> Filling | None:
    """None for a series that fills none, as most do."""
    sources = _SOURCES.get((series.measurement, series.field))
    if sources is None or series.field_class is not FieldClass.NUMBER:
        return None
    tags = dict(series.tags)
    host = next((tags[name] for name in HOST_TAGS if name in tags), None)
    source = next((source for source in sources if _fits(source, tags)), None)
    return None if host is None or source is None else Filling(host, source.column, source.is_idle)


def _fits(source: Source, tags: Mapping[str, str]) -> bool:
    if source.interface is not None and tags.get(source.interface, _NONE).startswith(_NOT_OUTSIDE):
        return False
    if tags.get("instance", _NONE) not in _ONE_OF_MANY.get(source.measurement, (tags.get("instance", _NONE),)):
        return False
    return all(tags.get(name, _NONE) in values for name, values in source.tags.items())

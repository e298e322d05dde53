"""What an organization looks like as a database of InfluxDB: one, with one retention policy, under its own name."""

from collections.abc import Collection
from typing import Final

from strata_ingest.callers import Caller

_SECOND_NS: Final = 1_000_000_000
_COLUMNS: Final = ("name", "id", "organizationID", "retentionPolicy", "retentionPeriod")
_ANNOTATIONS: Final = {
    "datatype": "#datatype,string,long,string,string,string,string,long",
    "group": "#group,false,false,false,false,true,false,false",
    "default": "#default,_result,,,,,,",
}


def databases(caller: Caller) -> dict[str, object]:
    values = [[caller.organization_slug]]
    return {"series": [{"name": "databases", "columns": ["name"], "values": values}]}


def retention_policies(caller: Caller) -> dict[str, object]:
    columns = ["name", "duration", "shardGroupDuration", "replicaN", "default"]
    return {
        "series": [{"columns": columns, "values": [["autogen", _duration(caller.raw_kept_ns), "24h0m0s", 1, True]]}]
    }


def flux_buckets(caller: Caller, annotations: Collection[str], *, with_header: bool) -> str:
    """Annotated CSV of one bucket."""
    lines = [line for name, line in _ANNOTATIONS.items() if name in annotations]
    if with_header:
        lines.append(f",result,table,{','.join(_COLUMNS)}")
    bucket_id = caller.organization_id.hex[-16:]
    row = (caller.organization_slug, bucket_id, caller.organization_id.hex[:16], "", str(caller.raw_kept_ns))
    lines.append(f",{'' if 'default' in annotations else '_result'},0,{','.join(row)}")
    return "\r\n".join(lines) + "\r\n\r\n"


def _duration(duration_ns: int) -> str:
    seconds = duration_ns // _SECOND_NS
    return f"{seconds // 3600}h{seconds % 3600 // 60}m{seconds % 60}s"

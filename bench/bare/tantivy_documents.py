"""Bare tantivy, fed the documents of a workload as ready JSON lines, with a commit a second of its CPU time."""

import base64
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson
import tantivy

from bench.failure import BenchError
from bench.workloads.documents import DocumentWorkload
from strata_core.logs.attributes import attribute_terms
from strata_core.logs.documents import encoded_event
from strata_core.logs.words import spaced_words
from strata_datamodel.ids import BatchId, OrganizationId, uuid7
from strata_datamodel.limits import MIB
from strata_datamodel.logs import LogEvent
from strata_datamodel.spooling import Envelope, Signal, WireFormat
from strata_stores.tantivy.schema import SCHEMA, id_halves
from strata_wire.bulk import parse_bulk

_HEAP_BYTES: Final = 48 * MIB  # as the embedded store has it
_THREADS: Final = 1
_COMMIT_S: Final = 1.0
_KEYWORDS: Final = ("level", "host", "service", "trace_id")


@dataclass(frozen=True, slots=True)
class Fed:
    workload: DocumentWorkload
    first: int
    count: int
    received_at_ns: int


def indexing_rates(fed: Fed) -> dict[str, float]:
    """Documents per CPU-second: `plain` into a schema that fits them, `own` into the embedded store's schema, whose
    fields were computed beforehand."""
    workload = fed.workload
    numbers = range(fed.first, fed.first + fed.count)
    places = [(connection, number) for number in numbers for connection in range(workload.connections)]
    lines = [line for connection, number in places for line in workload.lines(connection, number)]
    plain = len(lines) / _cpu_s_of_indexing(_fitting_schema(), lines)
    del lines
    own = [line for connection, number in places for line in _own_lines(fed, connection, number)]
    return {"plain": plain, "own": len(own) / _cpu_s_of_indexing(SCHEMA, own)}


def _fitting_schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_date_field("@timestamp", stored=True, indexed=True, fast=True)
    for name in _KEYWORDS:
        builder.add_text_field(name, stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("seq", stored=True, indexed=True)
    builder.add_text_field("message", stored=True, tokenizer_name="default", index_option="position")
    return builder.build()


def _cpu_s_of_indexing(schema: tantivy.Schema, lines: Sequence[str]) -> float:
    with tempfile.TemporaryDirectory(prefix="strata-bench-bare-") as directory:
        index = tantivy.Index(schema, path=directory)
        writer = index.writer(_HEAP_BYTES, _THREADS)
        began_s = committed_s = time.process_time()
        for number, line in enumerate(lines):
            writer.add_json(line)
            if number % 1_000 == 0 and time.process_time() - committed_s >= _COMMIT_S:
                writer.commit()
                committed_s = time.process_time()
        writer.commit()
        spent_s = time.process_time() - began_s
        writer.wait_merging_threads()
        index.reload()
        found = index.searcher().num_docs
    if found != len(lines):
        raise BenchError(f"bare tantivy holds {found} documents, not {len(lines)}")
    return spent_s


def _own_lines(fed: Fed, connection: int, number: int) -> list[str]:
    envelope = Envelope(
        organization_id=OrganizationId(uuid7(0)),
        batch_id=BatchId(uuid7(number)),
        received_at_ns=fed.received_at_ns,
        signal=Signal.LOGS,
        wire_format=WireFormat.ES_BULK,
        parameters={},
        encoding="identity",
    )
    batch = parse_bulk(fed.workload.body(connection, number), envelope).batch
    return [_own_line(str(batch.organization_id), event) for event in batch.events]


def _own_line(organization: str, event: LogEvent) -> str:
    high, low = id_halves(event.event_id)
    return orjson.dumps(
        {
            "organization": organization,
            "words": spaced_words(event.message),
            "attributes": list(attribute_terms(event)),
            "timestamp": event.timestamp_ns,
            "id_high": high,
            "id_low": low,
            "document": base64.b64encode(encoded_event(event)).decode(),
        }
    ).decode()

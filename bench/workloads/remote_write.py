"""Prometheus remote write of one scrape after the other: message classes of Google's parser, and bodies made by them.

The classes are described here, by the numbers and types of the fields that a body has.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_PACKAGE: Final = "bench"
_JOBS: Final = ("node", "kubelet", "blackbox", "postgres")
_TYPES: Final = {
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "string": FieldDescriptorProto.TYPE_STRING,
}
# Name, number and type of each field; a star stands for any number of them.
_MESSAGES: Final = {
    "Label": (("name", 1, "string"), ("value", 2, "string")),
    "Sample": (("value", 1, "double"), ("timestamp", 2, "int64")),
    "Series1": (("labels", 1, "Label*"), ("samples", 2, "Sample*")),
    "Request1": (("timeseries", 1, "Series1*"),),
    "Series2": (("labels_refs", 1, "uint32*"), ("samples", 2, "Sample*")),
    "Request2": (("symbols", 4, "string*"), ("timeseries", 5, "Series2*")),
}


@cache
def request_class(version: int) -> type[Message]:
    file = FileDescriptorProto(name="bench/remote_write.proto", package=_PACKAGE, syntax="proto3")
    file.message_type.extend(_described(name) for name in _MESSAGES)
    pool = DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call]
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Request{version}"))  # type: ignore[no-untyped-call]


def _described(name: str) -> DescriptorProto:
    message = DescriptorProto(name=name)
    for field, number, kind in _MESSAGES[name]:
        plain = kind.removesuffix("*")
        label = FieldDescriptorProto.LABEL_REPEATED if plain != kind else FieldDescriptorProto.LABEL_OPTIONAL
        described = message.field.add(name=field, number=number, label=label)
        if plain in _TYPES:
            described.type = _TYPES[plain]
        else:
            described.type = FieldDescriptorProto.TYPE_MESSAGE
            described.type_name = f".{_PACKAGE}.{plain}"
    return message


@dataclass(frozen=True, slots=True)
class RemoteWriteWorkload:
    """Body n has one sample of each series, of scrape n."""

    start_ms: int
    series: int = 5_000
    every_ms: int = 15_000

    def body(self, version: int, number: int, *, shuffled: bool = False) -> bytes:
        request = request_class(version)()
        order = range(self.series)
        # A stride that has no divisor in common with how many there are visits each of them once.
        places = [place * (2 * number + 1_237) % self.series for place in order] if shuffled else list(order)
        symbols: dict[str, int] = {"": 0}
        for place in places:
            series = request.timeseries.add()  # type: ignore[attr-defined]
            labels = self._labels(place)
            if version == 1:
                for name, value in labels.items():
                    series.labels.add(name=name, value=value)
            else:
                words = [word for pair in labels.items() for word in pair]
                series.labels_refs.extend(symbols.setdefault(word, len(symbols)) for word in words)
            at_ms = self.start_ms + number * self.every_ms
            series.samples.add(value=place * 1.25 + number * 0.1, timestamp=at_ms)
        if version == 2:
            request.symbols.extend(symbols)  # type: ignore[attr-defined]
        return request.SerializeToString()

    def _labels(self, place: int) -> dict[str, str]:
        host, metric = divmod(place, 50)
        return {
            "__name__": f"node_cpu_seconds_{metric}_total",
            "cpu": str(metric % 8),
            "instance": f"host-{host:04d}.example.org:9100",
            "job": _JOBS[host % len(_JOBS)],
            "mode": "idle",
        }

"""Reads the protobuf of OTLP's traces and metrics: as much of opentelemetry/proto/trace/v1/trace.proto and
opentelemetry/proto/metrics/v1/metrics.proto as the tests look at."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

#: Numbers of a span's kinds.
KINDS = {2: "server", 3: "client"}


@dataclass(frozen=True)
class Span:
    """A span."""

    trace_id: str
    span_id: str
    parent_id: str
    state: str
    kind: str
    name: str
    start: int
    end: int
    attributes: dict[str, Any]
    is_error: bool


@dataclass(frozen=True)
class Point:
    """A figure with its attributes; of a histogram how many values there were, their sum and its boundaries."""

    attributes: dict[str, Any]
    value: float
    total: float = 0
    boundaries: tuple[float, ...] = ()


@dataclass(frozen=True)
class Metric:
    """A metric."""

    kind: str
    unit: str
    points: list[Point]


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message, by number: integers, and bytes of whatever has a length."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        match key & 7:
            case 0:
                value: Any = varint()
            case 1:
                value = message[at : at + 8]
                at += 8
            case 2:
                length = varint()
                value = message[at : at + length]
                at += length
            case 5:
                value = message[at : at + 4]
                at += 4
            case other:
                raise AssertionError(f"wire type {other}")
        yield key >> 3, value


def of(message: bytes, number: int) -> list[Any]:
    """All values of one field."""
    return [value for field, value in fields(message) if field == number]


def value_of(message: bytes) -> Any:
    """An AnyValue, as far as attributes are texts, truths and numbers."""
    [(number, value)] = fields(message)
    match number:
        case 1:
            return value.decode()
        case 2:
            return bool(value)
        case 3:
            return value - (1 << 64) if value >> 63 else value
        case 4:
            return struct.unpack("<d", value)[0]
    raise AssertionError(f"field {number} of an AnyValue")


def attributes(messages: list[bytes]) -> dict[str, Any]:
    return {of(pair, 1)[0].decode(): value_of(of(pair, 2)[0]) for pair in messages}


def span(message: bytes) -> Span:
    found = {number: value for number, value in fields(message) if number != 9}
    fixed = {number: int.from_bytes(found[number], "little") for number in (7, 8)}
    status = dict(fields(found.get(15, b"")))
    return Span(
        trace_id=found[1].hex(),
        span_id=found[2].hex(),
        state=found.get(3, b"").decode(),
        parent_id=found.get(4, b"").hex(),
        name=found[5].decode(),
        kind=KINDS[found[6]],
        start=fixed[7],
        end=fixed[8],
        attributes=attributes(of(message, 9)),
        is_error=status.get(3) == 2,
    )


def spans(request: bytes) -> tuple[dict[str, Any], list[Span]]:
    """The resource of an ExportTraceServiceRequest, and its spans."""
    [of_resource] = of(request, 1)
    [resource] = of(of_resource, 1)
    scopes = of(of_resource, 2)
    return attributes(of(resource, 1)), [span(one) for scope in scopes for one in of(scope, 2)]


def number_point(message: bytes) -> Point:
    found = dict(fields(message))
    value = struct.unpack("<d", found[4])[0] if 4 in found else int.from_bytes(found[6], "little", signed=True)
    return Point(attributes(of(message, 7)), value)


def histogram_point(message: bytes) -> Point:
    found = dict(fields(message))
    bounds = struct.unpack(f"<{len(found[7]) // 8}d", found[7])
    total = struct.unpack("<d", found[5])[0]
    return Point(attributes(of(message, 9)), int.from_bytes(found[4], "little"), total, bounds)


def metric(message: bytes) -> Metric:
    found = dict(fields(message))
    [(number, kind, read)] = [one for one in ((5, "gauge", number_point), (7, "sum", number_point), (9, "histogram", histogram_point)) if one[0] in found]
    return Metric(kind, found.get(3, b"").decode(), [read(point) for point in of(found[number], 1)])


def metrics(request: bytes) -> tuple[dict[str, Any], dict[str, Metric]]:
    """The resource of an ExportMetricsServiceRequest, and its metrics by name."""
    [of_resource] = of(request, 1)
    [resource] = of(of_resource, 1)
    found = [one for scope in of(of_resource, 2) for one in of(scope, 2)]
    return attributes(of(resource, 1)), {of(one, 1)[0].decode(): metric(one) for one in found}

"""OTLP's messages by their field tables (opentelemetry-proto 1.x), read and written without any library of OpenTelemetry's.

    decode("traces", body)     an Export…ServiceRequest as the JSON form shows it: ids in hex, 64-bit integers as strings, enums as integers
    read_json("traces", body)  the JSON form, checked field by field, as the same tree: equal to decode() of the same content
    encode("traces", tree)     and back

Strict, since it judges what weir writes: unknown fields, wrong wire types, a field twice, text that is no UTF-8 and names in any but
lowerCamelCase are Broken.
"""
from __future__ import annotations

import base64
import json
import math
import re
import struct

ROOTS = {"traces": "TraceRequest", "metrics": "MetricsRequest"}


class Broken(Exception):
    """Not a message of that kind; says where."""


# Kinds: u32 varint as a number, enum the same, bool, i64 and u64 varints as text, s32 zigzag, f32 and f64 and sf64 fixed (64 bits as text),
# d double, s text, b bytes, id bytes in hex, otherwise a message. "*": repeated, "+": packed.
TABLES = {
    "TraceRequest": {1: ("resourceSpans", "*ResourceSpans")},
    "MetricsRequest": {1: ("resourceMetrics", "*ResourceMetrics")},
    "ResourceSpans": {1: ("resource", "Resource"), 2: ("scopeSpans", "*ScopeSpans"), 3: ("schemaUrl", "s")},
    "ScopeSpans": {1: ("scope", "Scope"), 2: ("spans", "*Span"), 3: ("schemaUrl", "s")},
    "ResourceMetrics": {1: ("resource", "Resource"), 2: ("scopeMetrics", "*ScopeMetrics"), 3: ("schemaUrl", "s")},
    "ScopeMetrics": {1: ("scope", "Scope"), 2: ("metrics", "*Metric"), 3: ("schemaUrl", "s")},
    "Resource": {1: ("attributes", "*KeyValue"), 2: ("droppedAttributesCount", "u32")},
    "Scope": {1: ("name", "s"), 2: ("version", "s"), 3: ("attributes", "*KeyValue"), 4: ("droppedAttributesCount", "u32")},
    "KeyValue": {1: ("key", "s"), 2: ("value", "AnyValue")},
    "AnyValue": {1: ("stringValue", "s"), 2: ("boolValue", "bool"), 3: ("intValue", "i64"), 4: ("doubleValue", "d"), 5: ("arrayValue", "Array"),
                 6: ("kvlistValue", "KeyValues"), 7: ("bytesValue", "b")},
    "Array": {1: ("values", "*AnyValue")},
    "KeyValues": {1: ("values", "*KeyValue")},
    "Span": {1: ("traceId", "id"), 2: ("spanId", "id"), 3: ("traceState", "s"), 4: ("parentSpanId", "id"), 5: ("name", "s"), 6: ("kind", "enum"),
             7: ("startTimeUnixNano", "f64"), 8: ("endTimeUnixNano", "f64"), 9: ("attributes", "*KeyValue"), 10: ("droppedAttributesCount", "u32"),
             11: ("events", "*Event"), 12: ("droppedEventsCount", "u32"), 13: ("links", "*Link"), 14: ("droppedLinksCount", "u32"),
             15: ("status", "Status"), 16: ("flags", "f32")},
    "Event": {1: ("timeUnixNano", "f64"), 2: ("name", "s"), 3: ("attributes", "*KeyValue"), 4: ("droppedAttributesCount", "u32")},
    "Link": {1: ("traceId", "id"), 2: ("spanId", "id"), 3: ("traceState", "s"), 4: ("attributes", "*KeyValue"), 5: ("droppedAttributesCount", "u32"),
             6: ("flags", "f32")},
    "Status": {2: ("message", "s"), 3: ("code", "enum")},
    "Metric": {1: ("name", "s"), 2: ("description", "s"), 3: ("unit", "s"), 5: ("gauge", "Gauge"), 7: ("sum", "Sum"), 9: ("histogram", "Histogram"),
               10: ("exponentialHistogram", "Exponential"), 12: ("metadata", "*KeyValue")},
    "Gauge": {1: ("dataPoints", "*Number")},
    "Sum": {1: ("dataPoints", "*Number"), 2: ("aggregationTemporality", "enum"), 3: ("isMonotonic", "bool")},
    "Histogram": {1: ("dataPoints", "*HistogramPoint"), 2: ("aggregationTemporality", "enum")},
    "Exponential": {1: ("dataPoints", "*ExponentialPoint"), 2: ("aggregationTemporality", "enum")},
    "Number": {2: ("startTimeUnixNano", "f64"), 3: ("timeUnixNano", "f64"), 4: ("asDouble", "d"), 5: ("exemplars", "*Exemplar"), 6: ("asInt", "sf64"),
               7: ("attributes", "*KeyValue"), 8: ("flags", "u32")},
    "HistogramPoint": {2: ("startTimeUnixNano", "f64"), 3: ("timeUnixNano", "f64"), 4: ("count", "f64"), 5: ("sum", "d"), 6: ("bucketCounts", "+f64"),
                       7: ("explicitBounds", "+d"), 8: ("exemplars", "*Exemplar"), 9: ("attributes", "*KeyValue"), 10: ("flags", "u32"),
                       11: ("min", "d"), 12: ("max", "d")},
    "ExponentialPoint": {1: ("attributes", "*KeyValue"), 2: ("startTimeUnixNano", "f64"), 3: ("timeUnixNano", "f64"), 4: ("count", "f64"),
                         5: ("sum", "d"), 6: ("scale", "s32"), 7: ("zeroCount", "f64"), 8: ("positive", "Buckets"), 9: ("negative", "Buckets"),
                         10: ("flags", "u32"), 11: ("exemplars", "*Exemplar"), 12: ("min", "d"), 13: ("max", "d"), 14: ("zeroThreshold", "d")},
    "Buckets": {1: ("offset", "s32"), 2: ("bucketCounts", "+u64")},
    "Exemplar": {2: ("timeUnixNano", "f64"), 3: ("asDouble", "d"), 4: ("spanId", "id"), 5: ("traceId", "id"), 6: ("asInt", "sf64"),
                 7: ("filteredAttributes", "*KeyValue")},
}
WIRE = {"u32": 0, "enum": 0, "bool": 0, "i64": 0, "u64": 0, "s32": 0, "f64": 1, "sf64": 1, "d": 1, "f32": 5}  # others: 2, with a length


def wire_of(kind):
    return WIRE.get(kind, 2)


# ---- binary -------------------------------------------------------------------------------------------------------------------------------


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def more(self):
        return self.at < len(self.data)

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Broken("cut off")
        self.at += count
        return self.data[self.at - count:self.at]

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7f) << shift
            if byte < 0x80:
                if value >> 64:
                    break
                return value
        raise Broken("a varint beyond 64 bits")

    def scalar(self, wire):
        if wire == 0:
            return self.varint()
        if wire in (1, 5):
            return self.take(8 if wire == 1 else 4)
        if wire == 2:
            return self.take(self.varint())
        raise Broken(f"wire type {wire}")


def shown_double(value):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def shown_varint(kind, raw):
    if kind in ("u32", "enum"):
        if raw >> 32:
            raise Broken(f"{raw} beyond 32 bits")
        return raw
    if kind == "bool":
        if raw > 1:
            raise Broken(f"a truth of {raw}")
        return raw == 1
    if kind == "s32":
        return (raw >> 1) ^ -(raw & 1)
    return str(raw - (1 << 64) if kind == "i64" and raw >> 63 else raw)


def shown(kind, raw):
    """What the JSON form shows of one value."""
    if wire_of(kind) == 0:
        return shown_varint(kind, raw)
    if kind == "d":
        return shown_double(struct.unpack("<d", raw)[0])
    if kind in ("f64", "sf64", "f32"):
        number = int.from_bytes(raw, "little", signed=kind == "sf64")
        return number if kind == "f32" else str(number)
    if kind == "id":
        if len(raw) not in (8, 16):
            raise Broken(f"an id of {len(raw)} bytes")
        return raw.hex()
    if kind == "b":
        return base64.b64encode(raw).decode()
    if kind == "s":
        return raw.decode("utf-8")
    return decode_message(kind, raw)


def decode_field(into, name, kind, wire, reader):
    plain = kind.lstrip("*+")
    if kind.startswith("+"):
        if wire != 2:
            raise Broken("not packed")
        if name in into:
            raise Broken("twice")
        packed = Reader(reader.scalar(2))
        into[name] = []
        while packed.more():
            into[name].append(shown(plain, packed.scalar(wire_of(plain))))
        return
    if wire != wire_of(plain):
        raise Broken(f"wire type {wire}")
    value = shown(plain, reader.scalar(wire))
    if kind.startswith("*"):
        into.setdefault(name, []).append(value)
    elif name in into:
        raise Broken("twice")
    else:
        into[name] = value


def decode_message(message, data):
    reader, out = Reader(data), {}
    while reader.more():
        tag = reader.varint()
        known = TABLES[message].get(tag >> 3)
        if not known:
            raise Broken(f"{message} has no field {tag >> 3}")
        try:
            decode_field(out, *known, tag & 7, reader)
        except (Broken, UnicodeDecodeError) as e:
            raise Broken(f"{message}.{known[0]}: {e}") from None
    check_choice(message, out)
    return out


def decode(root, data):
    """`root`: traces, metrics, or a message of the tables."""
    return decode_message(ROOTS.get(root, root), data)


CHOICES = {"AnyValue": {name for name, _ in TABLES["AnyValue"].values()}, "Number": {"asDouble", "asInt"}, "Exemplar": {"asDouble", "asInt"},
           "Metric": {"gauge", "sum", "histogram", "exponentialHistogram"}}


def check_choice(message, tree):
    both = CHOICES.get(message, set()) & tree.keys()
    if len(both) > 1:
        raise Broken(f"{message}: {' and '.join(sorted(both))}")


# ---- JSON ---------------------------------------------------------------------------------------------------------------------------------

WHOLE = re.compile(r"-?(0|[1-9][0-9]*)\Z")
RANGES = {"u32": (0, 1 << 32), "enum": (0, 1 << 31), "f32": (0, 1 << 32), "s32": (-1 << 31, 1 << 31), "i64": (-1 << 63, 1 << 63),
          "sf64": (-1 << 63, 1 << 63), "u64": (0, 1 << 64), "f64": (0, 1 << 64)}


def read_number(kind, value):
    wide = kind in ("i64", "sf64", "u64", "f64")
    if wide and not (isinstance(value, str) and WHOLE.match(value)):
        raise Broken(f"{value!r} is no decimal text")
    if not wide and (isinstance(value, bool) or not isinstance(value, int)):
        raise Broken(f"{value!r} is no integer")
    low, beyond = RANGES[kind]
    if not low <= int(value) < beyond:
        raise Broken(f"{value!r} is out of range")
    return value


def read_value(kind, value):
    if kind in RANGES:
        return read_number(kind, value)
    if kind in TABLES:
        return read_tree(kind, value)
    if kind == "d":
        if isinstance(value, bool) or not (isinstance(value, (int, float)) or value in ("NaN", "Infinity", "-Infinity")):
            raise Broken(f"{value!r} is no number")
        return value if isinstance(value, str) else float(value)
    if kind == "bool":
        if not isinstance(value, bool):
            raise Broken(f"{value!r} is no truth")
        return value
    if not isinstance(value, str):
        raise Broken(f"{value!r} is no text")
    if kind == "id" and not re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{32}", value):
        raise Broken(f"{value!r} is no id")
    if kind == "b":
        base64.b64decode(value, validate=True)
    return value


def read_tree(message, tree):
    if not isinstance(tree, dict):
        raise Broken(f"{message} is no object")
    known, out = dict(TABLES[message].values()), {}
    for name, value in tree.items():
        if name not in known:
            raise Broken(f"{message} has no field {name}")
        kind = known[name]
        try:
            if kind[0] in "*+":
                if not isinstance(value, list):
                    raise Broken("no list")
                out[name] = [read_value(kind[1:], one) for one in value]
            else:
                out[name] = read_value(kind, value)
        except ValueError as e:
            raise Broken(f"{message}.{name}: {e}") from None
        except Broken as e:
            raise Broken(f"{message}.{name}: {e}") from None
    check_choice(message, out)
    return out


def once(pairs):
    if len(dict(pairs)) != len(pairs):
        raise Broken("a name twice in one object")
    return dict(pairs)


def no_constant(name):
    raise Broken(f"{name} is no JSON")


def read_json(root, text):
    try:
        tree = json.loads(text, object_pairs_hook=once, parse_constant=no_constant)
    except ValueError as e:
        raise Broken(str(e)) from None
    return read_tree(ROOTS.get(root, root), tree)


# ---- and back -----------------------------------------------------------------------------------------------------------------------------


def varint(value):
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def encode_scalar(kind, value):
    if kind == "s32":
        return varint((value << 1) ^ (value >> 31) if value >= 0 else (-value << 1) - 1)
    if wire_of(kind) == 0:
        return varint(int(value) & (1 << 64) - 1)
    if kind == "d":
        return struct.pack("<d", float(value))
    if kind in ("f64", "sf64", "f32"):
        return int(value).to_bytes(4 if kind == "f32" else 8, "little", signed=kind == "sf64")
    if kind in TABLES:
        raw = encode(kind, value)
    else:
        raw = bytes.fromhex(value) if kind == "id" else base64.b64decode(value) if kind == "b" else value.encode()
    return varint(len(raw)) + raw


def encode(root, tree):
    """In the order of the field numbers, as everyone's writers do."""
    out = b""
    for number, (name, kind) in sorted(TABLES[ROOTS.get(root, root)].items()):
        if name not in tree:
            continue
        plain = kind.lstrip("*+")
        if kind.startswith("+"):
            packed = b"".join(encode_scalar(plain, one) for one in tree[name])
            out += varint(number << 3 | 2) + varint(len(packed)) + packed
            continue
        for one in tree[name] if kind.startswith("*") else [tree[name]]:
            out += varint(number << 3 | wire_of(plain)) + encode_scalar(plain, one)
    return out


# ---- for reading by people and tests ------------------------------------------------------------------------------------------------------


def plain(value):
    """An AnyValue as Python would have it."""
    (kind, held), = value.items() or [("nothing", None)]
    if kind == "intValue":
        return int(held)
    if kind == "arrayValue":
        return [plain(one) for one in held.get("values", [])]
    return attributes(held.get("values", [])) if kind == "kvlistValue" else held


def attributes(pairs):
    """[KeyValue] as a dict; a key twice is Broken."""
    out = {one.get("key", ""): plain(one.get("value", {})) for one in pairs}
    if len(out) != len(pairs):
        raise Broken(f"a key twice: {[one.get('key') for one in pairs]}")
    return out

"""AMQP 1.0 values, performatives and frames, as far as Service Bus clients use them."""

import struct
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)
ERROR, SOURCE, TARGET = 0x1D, 0x28, 0x29
ACCEPTED, REJECTED, RELEASED, MODIFIED = 0x24, 0x25, 0x26, 0x27
SASL_MECHANISMS, SASL_INIT, SASL_OUTCOME = 0x40, 0x41, 0x44
HEADER, DELIVERY_ANNOTATIONS, ANNOTATIONS, PROPERTIES, APPLICATION, DATA = range(0x70, 0x76)
VALUE = 0x77

_FRAME_HEADER = struct.Struct(">IBBH")
_LENGTH = struct.Struct(">I")


class Symbol(str):
    """A name out of a fixed vocabulary."""


class UByte(int):
    """8 bits, unsigned."""


class UShort(int):
    """16 bits, unsigned."""


class UInt(int):
    """32 bits, unsigned."""


class ULong(int):
    """64 bits, unsigned."""


class Symbols(list[str]):
    """Several symbols in one array."""


class Int(int):
    """32 bits. A plain int is a long."""


class Timestamp(int):
    """Milliseconds since 1970."""


class Described(NamedTuple):
    """A value with the number or name of its type."""

    descriptor: int | str
    value: Any


# ---- reading -------------------------------------------------------------------------------

Reader = Callable[[bytes, int], tuple[Any, int]]


def decode(data: bytes, at: int = 0) -> tuple[Any, int]:
    """The value that starts at `at`, and where the next one starts."""
    return _READERS[data[at]](data, at + 1)


def _constant(make: Callable[[], Any]) -> Reader:
    return lambda data, at: (make(), at)


def _fixed(layout: str) -> Reader:
    unpack, size = struct.Struct(layout).unpack_from, struct.calcsize(layout)
    return lambda data, at: (unpack(data, at)[0], at + size)


def _variable(width: int, convert: Callable[[bytes], Any]) -> Reader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        start = at + width
        end = start + int.from_bytes(data[at:start])
        return convert(bytes(data[start:end])), end

    return read


def _described(data: bytes, at: int) -> tuple[Described, int]:
    descriptor, at = decode(data, at)
    value, at = decode(data, at)
    return Described(descriptor, value), at


def _items(data: bytes, at: int, count: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    for _ in range(count):
        item, at = decode(data, at)
        items.append(item)
    return items, at


def _list(width: int) -> Reader:
    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        start = at + 2 * width
        return _items(data, start, int.from_bytes(data[at + width : start]))

    return read


def _map(width: int) -> Reader:
    read_list = _list(width)

    def read(data: bytes, at: int) -> tuple[dict[Any, Any], int]:
        items, at = read_list(data, at)
        return dict(zip(items[::2], items[1::2], strict=True)), at

    return read


def _array(width: int) -> Reader:
    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        start = at + 2 * width
        read_one, at_item, items = _READERS[data[start]], start + 1, []
        for _ in range(int.from_bytes(data[at + width : start])):
            item, at_item = read_one(data, at_item)
            items.append(item)
        return items, at_item

    return read


def _symbol(raw: bytes) -> Symbol:
    return Symbol(raw.decode())


def _uuid(data: bytes, at: int) -> tuple[uuid.UUID, int]:
    return uuid.UUID(bytes=bytes(data[at : at + 16])), at + 16


_READERS: dict[int, Reader] = {
    0x00: _described,
    0x40: _constant(lambda: None),
    0x41: _constant(lambda: True),
    0x42: _constant(lambda: False),
    **dict.fromkeys((0x43, 0x44), _constant(lambda: 0)),
    0x45: _constant(list),
    **dict.fromkeys((0x50, 0x52, 0x53), _fixed(">B")),
    **dict.fromkeys((0x51, 0x54, 0x55), _fixed(">b")),
    0x56: _fixed(">?"),
    0x60: _fixed(">H"),
    0x61: _fixed(">h"),
    0x70: _fixed(">I"),
    0x71: _fixed(">i"),
    0x72: _fixed(">f"),
    0x80: _fixed(">Q"),
    0x81: _fixed(">q"),
    0x82: _fixed(">d"),
    0x83: _fixed(">q"),
    0x98: _uuid,
    0xA0: _variable(1, bytes),
    0xA1: _variable(1, bytes.decode),
    0xA3: _variable(1, _symbol),
    0xB0: _variable(4, bytes),
    0xB1: _variable(4, bytes.decode),
    0xB3: _variable(4, _symbol),
    0xC0: _list(1),
    0xC1: _map(1),
    0xD0: _list(4),
    0xD1: _map(4),
    0xE0: _array(1),
    0xF0: _array(4),
}


# ---- writing -------------------------------------------------------------------------------


def encode(value: Any) -> bytes:
    return _WRITERS[type(value)](value)


def _sized(code: int, data: bytes) -> bytes:
    if len(data) < 256:
        return bytes((code, len(data))) + data
    return bytes((code + 0x10,)) + _LENGTH.pack(len(data)) + data


def _compound(code: int, parts: list[bytes]) -> bytes:
    body = b"".join(parts)
    if len(body) < 255 and len(parts) < 256:
        return bytes((code, len(body) + 1, len(parts))) + body
    return bytes((code + 0x10,)) + struct.pack(">II", len(body) + 4, len(parts)) + body


def _packed(code: int, layout: str) -> Callable[[Any], bytes]:
    pack = struct.Struct(">B" + layout).pack
    return lambda value: pack(code, value)


def _small_or(code: int, small: int, layout: str) -> Callable[[int], bytes]:
    wide = _packed(code, layout)
    return lambda value: bytes((small, value)) if value < 256 else wide(value)


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"\x40",
    bool: lambda value: b"\x41" if value else b"\x42",
    UByte: _packed(0x50, "B"),
    UShort: _packed(0x60, "H"),
    UInt: _small_or(0x70, 0x52, "I"),
    ULong: _small_or(0x80, 0x53, "Q"),
    Int: _packed(0x71, "i"),
    int: _packed(0x81, "q"),
    Timestamp: _packed(0x83, "q"),
    float: _packed(0x82, "d"),
    uuid.UUID: lambda value: b"\x98" + value.bytes,
    bytes: lambda value: _sized(0xA0, value),
    str: lambda value: _sized(0xA1, value.encode()),
    Symbol: lambda value: _sized(0xA3, value.encode()),
    list: lambda value: _compound(0xC0, [encode(item) for item in value]),
    Symbols: lambda value: _symbols(value),
    dict: lambda value: _compound(0xC1, [encode(item) for pair in value.items() for item in pair]),
    Described: lambda value: described(value.descriptor, encode(value.value)),
}


def _symbols(names: list[str]) -> bytes:
    body = b"\xa3" + b"".join(bytes((len(name),)) + name.encode() for name in names)
    return bytes((0xE0, len(body) + 1, len(names))) + body


def described(descriptor: int | str, encoded: bytes) -> bytes:
    """An already encoded value under the number or name of its type."""
    name = Symbol(descriptor) if isinstance(descriptor, str) else ULong(descriptor)
    return b"\x00" + encode(name) + encoded


# ---- performatives and frames --------------------------------------------------------------

_FIELDS = {
    OPEN: "container_id hostname max_frame_size:uint channel_max:ushort idle_time_out:uint",
    BEGIN: "remote_channel:ushort next_outgoing_id:uint incoming_window:uint outgoing_window:uint"
    " handle_max:uint",
    ATTACH: "name handle:uint role snd_settle_mode:ubyte rcv_settle_mode:ubyte source target"
    " unsettled incomplete_unsettled initial_delivery_count:uint max_message_size:ulong"
    " offered_capabilities desired_capabilities properties",
    FLOW: "next_incoming_id:uint incoming_window:uint next_outgoing_id:uint outgoing_window:uint"
    " handle:uint delivery_count:uint link_credit:uint available:uint drain echo properties",
    TRANSFER: "handle:uint delivery_id:uint delivery_tag message_format:uint settled more"
    " rcv_settle_mode:ubyte state resume aborted batchable",
    DISPOSITION: "role first:uint last:uint settled state batchable",
    DETACH: "handle:uint closed error",
    END: "error",
    CLOSE: "error",
    SASL_MECHANISMS: "mechanisms",
    SASL_INIT: "mechanism initial_response hostname",
    SASL_OUTCOME: "code:ubyte additional_data",
}
_TYPES: dict[str, type[int] | None] = {
    "": None,
    "ubyte": UByte,
    "ushort": UShort,
    "uint": UInt,
    "ulong": ULong,
}
_LAYOUT = {
    kind: [(name, _TYPES[typed]) for name, _, typed in (f.partition(":") for f in fields.split())]
    for kind, fields in _FIELDS.items()
}


def performative(kind: int, **fields: Any) -> bytes:
    """One performative, its fields by name."""
    values: list[Any] = []
    for name, integer in _LAYOUT[kind]:
        value = fields.get(name)
        values.append(integer(value) if integer and value is not None else value)
    return described(kind, encode(values))


class Frame(NamedTuple):
    """One frame as it came in: a performative, its fields by name, and what follows it."""

    channel: int
    kind: int
    fields: dict[str, Any]
    payload: bytes


def frame(channel: int, body: bytes, payload: bytes = b"", sasl: bool = False) -> bytes:
    size = _FRAME_HEADER.size + len(body) + len(payload)
    return _FRAME_HEADER.pack(size, 2, sasl, channel) + body + payload


def read_frame(buffer: bytearray) -> Frame | None:
    """Take the first complete frame off the buffer. Empty frames only keep the line alive."""
    while len(buffer) >= _FRAME_HEADER.size:
        size, offset, _, channel = _FRAME_HEADER.unpack_from(buffer)
        if len(buffer) < size:
            break
        data = bytes(buffer[4 * offset : size])
        del buffer[:size]
        if data:
            return _frame(channel, data)
    return None


def _frame(channel: int, data: bytes) -> Frame:
    (kind, values), end = decode(data)
    names = [name for name, _ in _LAYOUT[kind]]
    fields = dict.fromkeys(names) | dict(zip(names, values, strict=False))
    return Frame(channel, kind, fields, data[end:])


def failure(condition: str, description: str) -> Described:
    return Described(ERROR, [Symbol(condition), description, {}])


def sections(message: bytes) -> Iterator[tuple[int, Any, bytes]]:
    """Each section of a message: its number, its value, and its bytes as they were."""
    at = 0
    while at < len(message):
        (kind, value), end = decode(message, at)
        yield kind, value, message[at:end]
        at = end

"""Reads Thrift's compact protocol into plain values, of bytes that nobody trusts: never further than they go, never deeper than told."""

from __future__ import annotations

from typing import Any, NamedTuple

DEEPEST = 24
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(1, 14)
Struct = dict[int, Any]
"""Values by the numbers of their fields; texts are bytes, lists are lists."""


class Malformed(ValueError):
    """These bytes are no Thrift."""


class _Reader(NamedTuple):
    data: bytes
    at: list[int]
    """One number: how far it has come."""

    def take(self, length: int) -> bytes:
        start = self.at[0]
        if length > len(self.data) - start:
            raise Malformed("it ends too early")
        self.at[0] = start + length
        return self.data[start : start + length]

    def varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise Malformed("a number is too long")

    def number(self) -> int:
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def count(self, size: int) -> int:
        """Each element takes a byte at least, so no list is longer than what is left."""
        if size > len(self.data) - self.at[0]:
            raise Malformed("a list is longer than the file")
        return size

    def value(self, kind: int, depth: int) -> Any:
        if depth > DEEPEST:
            raise Malformed("it is nested too deep")
        match kind:
            case 3:
                return self.take(1)[0]
            case 4 | 5 | 6:
                return self.number()
            case 7 | 13:
                return self.take(8 if kind == DOUBLE else 16)
            case 8:
                return self.take(self.varint())
            case 9 | 10:
                return self.list(depth)
            case 11:
                return self.map(depth)
            case 12:
                return self.struct(depth)
            case _:
                raise Malformed("a field is of no known type")

    def list(self, depth: int) -> list[Any]:
        head = self.take(1)[0]
        kind = head & 0x0F
        count = self.count(self.varint() if head >> 4 == 15 else head >> 4)
        if kind in (TRUE, FALSE):
            return [each == TRUE for each in self.take(count)]
        return [self.value(kind, depth + 1) for _ in range(count)]

    def map(self, depth: int) -> None:
        """Parquet has none, so it is only passed over."""
        count = self.count(self.varint())
        kinds = self.take(1)[0] if count else 0
        for _ in range(count):
            for kind in (kinds >> 4, kinds & 0x0F):
                self.value(BYTE if kind in (TRUE, FALSE) else kind, depth + 1)

    def struct(self, depth: int) -> Struct:
        found: Struct = {}
        field = 0
        while (head := self.take(1)[0]) != 0:
            field = field + (head >> 4) if head >> 4 else self.number()
            kind = head & 0x0F
            found[field] = kind == TRUE if kind in (TRUE, FALSE) else self.value(kind, depth + 1)
        return found


def parse(data: bytes) -> Struct:
    """The struct at the beginning of these bytes."""
    return _Reader(data, [0]).struct(0)

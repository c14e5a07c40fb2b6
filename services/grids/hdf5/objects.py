"""The objects of a file: their headers, the messages in them, and what groups link to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from services.grids.hdf5.cursor import NOWHERE, Cursor, Damaged, Unsupported, Widths
from services.grids.hdf5.heaps import fractal_heap, tree_records
from services.grids.hdf5.ranged import RangedBlob

MOST_MESSAGES = 100_000
SHARED = 0x02


class Tag(IntEnum):
    """The messages that matter here."""

    DATASPACE = 0x01
    LINK_INFO = 0x02
    DATATYPE = 0x03
    OLD_FILL = 0x04
    FILL = 0x05
    LINK = 0x06
    LAYOUT = 0x08
    FILTERS = 0x0B
    ATTRIBUTE = 0x0C
    MORE = 0x10
    SYMBOLS = 0x11
    ATTRIBUTE_INFO = 0x15


@dataclass(frozen=True)
class Message:
    """One property of an object."""

    tag: int
    shared: bool
    data: bytes


class Objects:
    """Reads the headers of one file."""

    def __init__(self, blob: RangedBlob, widths: Widths) -> None:
        self.blob, self.widths = blob, widths

    def cursor(self, data: bytes) -> Cursor:
        return Cursor(data, self.widths)

    def messages(self, address: int) -> list[Message]:
        """All messages of the header at an address."""
        found: list[Message] = []
        for message in self._messages(address):
            found.append(message)
            if len(found) > MOST_MESSAGES:
                raise Damaged("a header that never ends")
        return found

    def shared(self, message: Message) -> Cursor:
        """What a message says, also where it only names the object that says it."""
        cursor = self.cursor(message.data)
        return self.pointed(cursor, message.tag) if message.shared else cursor

    def pointed(self, cursor: Cursor, tag: int) -> Cursor:
        """A message of that kind, kept at another object."""
        version, kind = cursor.numbers(1, 2)
        if version == 1:
            cursor.skip(6)
        if version == 3 and kind != 2:
            raise Unsupported("messages shared by a heap")
        for message in self.messages(cursor.address()):
            if message.tag == tag:
                return self.cursor(message.data)
        raise Damaged("a shared message that is not where it should be")

    def links(self, messages: list[Message]) -> Iterator[tuple[str, int]]:
        """The names in a group, and the addresses of what they name."""
        for message in messages:
            match message.tag:
                case Tag.LINK:
                    yield from self._link(message.data)
                case Tag.LINK_INFO:
                    yield from self._many_links(self.cursor(message.data))
                case Tag.SYMBOLS:
                    yield from self._symbols(self.cursor(message.data))
                case _:
                    pass

    def attributes(self, messages: list[Message]) -> Iterator[bytes]:
        """Every attribute of an object, as it was written."""
        for message in messages:
            if message.tag == Tag.ATTRIBUTE and not message.shared:
                yield message.data
            if message.tag == Tag.ATTRIBUTE_INFO:
                cursor = self.cursor(message.data)
                cursor.skip(1)
                cursor.skip(2 if cursor.number(1) & 1 else 0)
                yield from self._dense(cursor.address(), cursor.address(), 0, 8)

    def _messages(self, address: int) -> Iterator[Message]:
        if self.blob.read(address, 4) == b"OHDR":
            yield from self._new_header(address)
        else:
            yield from self._old_header(address)

    def _old_header(self, address: int) -> Iterator[Message]:
        head = self.cursor(self.blob.read(address, 16))
        version = head.number(1)
        if version != 1:
            raise Damaged(f"an object header of version {version}")
        head.skip(7)
        yield from self._old_block(address + 16, head.number(4))

    def _old_block(self, address: int, size: int) -> Iterator[Message]:
        block = self.cursor(self.blob.read(address, size))
        while block.left >= 8:
            tag, length = block.numbers(2, 2)
            flags = block.number(1)
            block.skip(3)
            data = block.take(length)
            if tag == Tag.MORE:
                more = self.cursor(data)
                yield from self._old_block(more.address(), more.length())
            else:
                yield Message(tag, bool(flags & SHARED), data)

    def _new_header(self, address: int) -> Iterator[Message]:
        # Of all that may stand before the first message, the longest takes this many bytes.
        head = self.cursor(self.blob.read(address, min(34, self.blob.size - address)))
        head.skip(5)
        flags = head.number(1)
        head.skip((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
        size = head.number(1 << (flags & 3))
        yield from self._new_block(address + head.at, size, ordered=bool(flags & 4))

    def _new_block(self, address: int, size: int, *, ordered: bool) -> Iterator[Message]:
        block = self.cursor(self.blob.read(address, size))
        while block.left >= (6 if ordered else 4):
            tag, length, flags = block.number(1), block.number(2), block.number(1)
            block.skip(2 if ordered else 0)
            data = block.take(length)
            if tag == Tag.MORE:
                more = self.cursor(data)
                start, held = more.address(), more.length()
                self.cursor(self.blob.read(start, 4)).expect(b"OCHK")
                yield from self._new_block(start + 4, held - 8, ordered=ordered)
            else:
                yield Message(tag, bool(flags & SHARED), data)

    def _link(self, data: bytes) -> Iterator[tuple[str, int]]:
        cursor = self.cursor(data)
        cursor.skip(1)
        flags = cursor.number(1)
        kind = cursor.number(1) if flags & 8 else 0
        cursor.skip((8 if flags & 4 else 0) + (1 if flags & 0x10 else 0))
        name = cursor.take(cursor.number(1 << (flags & 3))).decode("utf-8", "replace")
        if kind == 0:
            yield name, cursor.address()

    def _many_links(self, cursor: Cursor) -> Iterator[tuple[str, int]]:
        cursor.skip(1)
        cursor.skip(8 if cursor.number(1) & 1 else 0)
        for data in self._dense(cursor.address(), cursor.address(), 4, 7):
            yield from self._link(data)

    def _dense(self, heap: int, tree: int, start: int, length: int) -> Iterator[bytes]:
        """What a heap keeps of an object: `tree` lists the ids, each at that place of a record."""
        if heap == NOWHERE:
            return
        kept = fractal_heap(self.blob, self.widths, heap)
        for record in tree_records(self.blob, self.widths, tree):
            yield kept.get(record[start : start + length])

    def _symbols(self, cursor: Cursor) -> Iterator[tuple[str, int]]:
        tree, heap = cursor.address(), cursor.address()
        head = self.cursor(self.blob.read(heap, 8 + 2 * self.widths.length + self.widths.address))
        head.expect(b"HEAP")
        head.skip(4)
        size = head.length()
        head.length()
        names = self.blob.read(head.address(), size)
        for offset, address in self._symbols_below(tree, self.blob.once()):
            yield names[offset : names.index(b"\0", offset)].decode("utf-8", "replace"), address

    def _symbols_below(
        self, address: int, enter: Callable[[int], None]
    ) -> Iterator[tuple[int, int]]:
        enter(address)
        if self.blob.read(address, 4) == b"SNOD":
            yield from self._symbol_node(address)
            return
        wide, long = self.widths.address, self.widths.length
        head = self.cursor(self.blob.read(address, 8))
        head.expect(b"TREE")
        head.skip(2)
        count = head.number(2)
        children = self.cursor(self.blob.read(address + 8 + 2 * wide, count * (long + wide)))
        for _ in range(count):
            children.length()
            yield from self._symbols_below(children.address(), enter)

    def _symbol_node(self, address: int) -> Iterator[tuple[int, int]]:
        size = 2 * self.widths.address + 24
        count = self.cursor(self.blob.read(address + 6, 2)).number(2)
        entries = self.cursor(self.blob.read(address + 8, count * size))
        for _ in range(count):
            yield entries.address(), entries.address()
            entries.skip(24)

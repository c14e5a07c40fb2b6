"""The heaps that names, links and attributes are kept in once they do not fit a header."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.grids.hdf5.cursor import NOWHERE, Cursor, Damaged, Unsupported, Widths
from services.grids.hdf5.ranged import RangedBlob


def global_object(blob: RangedBlob, widths: Widths, address: int, index: int) -> bytes:
    """One object of a global heap, which holds what is of varying length."""
    head = Cursor(blob.read(address, 8 + widths.length), widths)
    head.expect(b"GCOL")
    head.skip(4)
    heap = Cursor(blob.read(address, head.length()), widths, 8 + widths.length)
    while heap.left >= 8 + widths.length:
        found = heap.number(2)
        heap.skip(6)
        size = heap.length()
        if found == index:
            return heap.take(size)
        if found == 0:
            break
        heap.skip(size + -size % 8)
    raise Damaged(f"object {index} is not in its heap")


@dataclass(frozen=True)
class FractalHeap:
    """Objects in blocks that double in size, row by row."""

    blob: RangedBlob
    widths: Widths
    offset_bytes: int
    length_bytes: int
    width: int
    smallest: int
    largest_direct: int
    root: int
    rows: int

    def get(self, name: bytes) -> bytes:
        """The object that the heap knows by this id."""
        cursor = Cursor(name, self.widths)
        kind = cursor.number(1) >> 4 & 3
        if kind != 0:
            raise Unsupported("an attribute larger than 64 KB")
        offset, length = cursor.number(self.offset_bytes), cursor.number(self.length_bytes)
        block, start = self._block(self.root, self.rows, 0, offset)
        return self.blob.read(block + offset - start, length)

    def _block(self, address: int, rows: int, start: int, offset: int) -> tuple[int, int]:
        """The direct block that holds an offset, and the offset at which it begins."""
        if address == NOWHERE:
            raise Damaged("an object in a block that was never written")
        if rows == 0:
            return address, start
        for row, number, size in self._table(rows):
            if start <= offset < start + size:
                child = self._child(address, number)
                below = 0 if size <= self.largest_direct and self._direct(row) else self._rows(size)
                return self._block(child, below, start, offset)
            start += size
        raise Damaged("an object behind the end of its heap")

    def _table(self, rows: int) -> Iterator[tuple[int, int, int]]:
        for number in range(rows * self.width):
            row = number // self.width
            yield row, number, self.smallest << max(row - 1, 0)

    def _direct(self, row: int) -> bool:
        return row < (self.largest_direct // self.smallest).bit_length() + 1

    def _rows(self, size: int) -> int:
        return (size // (self.smallest * self.width)).bit_length()

    def _child(self, address: int, number: int) -> int:
        wide = self.widths.address
        head = 5 + wide + self.offset_bytes
        Cursor(self.blob.read(address, 4), self.widths).expect(b"FHIB")
        return Cursor(self.blob.read(address + head + number * wide, wide), self.widths).address()


def fractal_heap(blob: RangedBlob, widths: Widths, address: int) -> FractalHeap:
    cursor = Cursor(blob.read(address, 26 + 12 * widths.length + 3 * widths.address), widths)
    cursor.expect(b"FRHP")
    cursor.skip(3)
    filtered = cursor.number(2)
    cursor.skip(1)
    largest_object = cursor.number(4)
    cursor.skip(10 * widths.length + 2 * widths.address)
    width, smallest, largest_direct = cursor.number(2), cursor.length(), cursor.length()
    bits = cursor.number(2)
    cursor.skip(2)
    root, rows = cursor.address(), cursor.number(2)
    if filtered:
        raise Unsupported("compressed attributes")
    if rows > 64 or width > 1024 or not 0 < smallest <= largest_direct:
        raise Damaged("a heap of impossible size")
    shortest = min(largest_direct, largest_object)
    return FractalHeap(
        blob=blob,
        widths=widths,
        offset_bytes=-(-bits // 8),
        length_bytes=-(-shortest.bit_length() // 8),
        width=width,
        smallest=smallest,
        largest_direct=largest_direct,
        root=root,
        rows=rows,
    )


@dataclass(frozen=True)
class Tree:
    """A version 2 B-tree: the ids of what a heap holds, in the order of their names' hashes."""

    blob: RangedBlob
    widths: Widths
    node: int
    record: int
    enter: Callable[[int], None]

    def records(self, address: int, count: int, depth: int) -> Iterator[bytes]:
        """All records below a node, in no order that matters here."""
        self.enter(address)
        cursor = Cursor(self.blob.read(address, self.node), self.widths)
        cursor.expect(b"BTIN" if depth else b"BTLF")
        cursor.skip(2)
        yield from [cursor.take(self.record) for _ in range(count)]
        for _ in range(count + 1 if depth else 0):
            child, held = cursor.address(), cursor.number(_bytes_for(self._most(0)))
            if depth > 1:
                cursor.skip(_bytes_for(self._most_below(depth - 1)))
            yield from self.records(child, held, depth - 1)

    def _most(self, depth: int) -> int:
        """How many records a node can hold at most."""
        pointer = self._pointer(depth) if depth else 0
        return (self.node - 10 - pointer) // (self.record + pointer)

    def _most_below(self, depth: int) -> int:
        if depth == 0:
            return self._most(0)
        return (self._most(depth) + 1) * self._most_below(depth - 1) + self._most(depth)

    def _pointer(self, depth: int) -> int:
        totals = _bytes_for(self._most_below(depth - 1)) if depth > 1 else 0
        return self.widths.address + _bytes_for(self._most(0)) + totals


def _bytes_for(number: int) -> int:
    return -(-number.bit_length() // 8)


def tree_records(blob: RangedBlob, widths: Widths, address: int) -> Iterator[bytes]:
    cursor = Cursor(blob.read(address, 18 + widths.address + widths.length), widths)
    cursor.expect(b"BTHD")
    cursor.skip(2)
    node, record, depth = cursor.number(4), cursor.number(2), cursor.number(2)
    cursor.skip(2)
    root, count = cursor.address(), cursor.number(2)
    if root != NOWHERE:
        yield from Tree(blob, widths, node, record, blob.once()).records(root, count, depth)

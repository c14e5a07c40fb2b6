"""What the elements of a dataset or an attribute are, and how many there are."""

from dataclasses import dataclass
from enum import Enum, auto
from math import prod

from services.grids.hdf5.cursor import Cursor, Damaged, Unsupported


class Kind(Enum):
    """What this reader can do with an element."""

    NUMBER = auto()
    TEXT = auto()
    LONG_TEXT = auto()
    """Text of varying length, kept in a heap."""
    POINTERS = auto()
    """A varying number of pointers to other objects, kept in a heap."""
    OTHER = auto()


@dataclass(frozen=True)
class Datatype:
    """`numpy` names the type as numpy writes it, where it has one."""

    kind: Kind
    size: int
    numpy: str = ""


def datatype(cursor: Cursor) -> Datatype:
    head = cursor.number(1)
    bits, size = cursor.number(3), cursor.number(4)
    order = ">" if bits & 1 else "<"
    match head & 0x0F:
        case 0:
            cursor.skip(4)
            return _number(f"{order}{'i' if bits & 8 else 'u'}{size}", size, {1, 2, 4, 8})
        case 1:
            cursor.skip(12)
            return _number(f"{order}f{size}", size, {2, 4, 8})
        case 3:
            return Datatype(Kind.TEXT, size, f"|S{size}")
        case 8:
            return datatype(cursor)
        case 9:
            return Datatype(_of_varying_length(cursor, bits), size)
        case _:
            return Datatype(Kind.OTHER, size)


def _number(name: str, size: int, sizes: set[int]) -> Datatype:
    if size not in sizes:
        return Datatype(Kind.OTHER, size)
    return Datatype(Kind.NUMBER, size, f"|{name[1:]}" if size == 1 else name)


def _of_varying_length(cursor: Cursor, bits: int) -> Kind:
    if bits & 0x0F == 1:
        return Kind.LONG_TEXT
    return Kind.POINTERS if cursor.number(1) & 0x0F == 7 else Kind.OTHER


@dataclass(frozen=True)
class Dataspace:
    """The shape; None where there are no elements at all."""

    shape: tuple[int, ...] | None
    unlimited: tuple[bool, ...] = ()

    @property
    def count(self) -> int:
        return 0 if self.shape is None else prod(self.shape)


def dataspace(cursor: Cursor) -> Dataspace:
    version, rank, flags = cursor.numbers(1, 3)
    if version not in {1, 2} or rank > 32:
        raise Damaged(f"a dataspace of version {version} and rank {rank}")
    if version == 2 and cursor.number(1) == 2:
        return Dataspace(None)
    if version == 1:
        cursor.skip(5)
    shape = tuple(cursor.length() for _ in range(rank))
    longest = [cursor.length() for _ in range(rank)] if flags & 1 else list(shape)
    endless = (1 << 8 * cursor.widths.length) - 1
    return Dataspace(shape, tuple(length == endless for length in longest))


@dataclass(frozen=True)
class Filter:
    """One step of the pipeline that chunks went through when they were written."""

    number: int
    name: str
    values: tuple[int, ...]


def filters(cursor: Cursor) -> tuple[Filter, ...]:
    version, count = cursor.numbers(1, 2)
    if version not in {1, 2}:
        raise Unsupported(f"a filter pipeline of version {version}")
    if version == 1:
        cursor.skip(6)
    return tuple(_filter(cursor, version) for _ in range(count))


def _filter(cursor: Cursor, version: int) -> Filter:
    number = cursor.number(2)
    length = cursor.number(2) if version == 1 or number >= 256 else 0
    cursor.skip(2)
    count = cursor.number(2)
    name = cursor.take(length).rstrip(b"\0").decode("ascii", "replace")
    values = cursor.numbers(4, count)
    if version == 1 and count % 2:
        cursor.skip(4)
    return Filter(number, name, values)

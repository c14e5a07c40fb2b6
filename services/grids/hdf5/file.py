"""A file as its datasets: shape, type, attributes, filters, and where the cells lie."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from core.blobs import BlobRef, Blobs
from core.errors import BadInput
from services.grids.hdf5 import layout as layouts
from services.grids.hdf5.cursor import NOWHERE, Cursor, Damaged, Unsupported, Widths
from services.grids.hdf5.datatypes import (
    Dataspace,
    Datatype,
    Filter,
    Kind,
    dataspace,
    datatype,
    filters,
)
from services.grids.hdf5.heaps import global_object
from services.grids.hdf5.objects import Message, Objects, Tag
from services.grids.hdf5.ranged import RangedBlob

SIGNATURE = b"\x89HDF\r\n\x1a\n"
CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
Attributes = dict[str, Any]


@contextmanager
def readable(ref: BlobRef) -> Iterator[None]:
    """Whatever is wrong inside the file is the sender's fault, and is said so."""
    try:
        yield
    except Unsupported as error:
        raise BadInput(f"{ref} cannot be read: it uses {error}") from error
    except (Damaged, ValueError, LookupError, ArithmeticError, RecursionError) as error:
        raise BadInput(f"{ref} is damaged or cut short: {error}; send it again") from error


@dataclass(frozen=True)
class Dataset:
    """One array of the file."""

    name: str
    address: int
    type: Datatype
    space: Dataspace
    attributes: Attributes
    filters: tuple[Filter, ...]
    fill: bytes | None
    layout: layouts.Layout | None
    """None where its layout could not be read; `trouble` says why."""
    trouble: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.space.shape or ()


@dataclass(frozen=True)
class Contents:
    """What stands in the root group."""

    attributes: Attributes
    datasets: list[Dataset]
    groups: list[str]


class Hdf5File:
    """An HDF5 file in blob storage. Only what is asked for is read."""

    def __init__(self, blobs: Blobs, ref: BlobRef) -> None:
        self.ref = ref
        self.blob = RangedBlob(blobs, ref)
        _recognize(self.blob)
        with readable(ref):
            self.widths, root = _superblock(self.blob)
            self.objects = Objects(self.blob, self.widths)
            self.root = root

    @cached_property
    def contents(self) -> Contents:
        with readable(self.ref):
            messages = self.objects.messages(self.root)
            members = {
                name: self.objects.messages(address) for name, address in self._links(messages)
            }
            datasets = {n for n, found in members.items() if _has(found, Tag.LAYOUT)}
            addresses = dict(self._links(messages))
            return Contents(
                attributes=dict(self._attributes(messages)),
                datasets=[self._dataset(n, addresses[n], members[n]) for n in sorted(datasets)],
                groups=sorted(members.keys() - datasets),
            )

    def chunks(self, dataset: Dataset) -> list[layouts.Chunk]:
        """Where every chunk lies; of a dataset in one piece, the one."""
        with readable(self.ref):
            match dataset.layout:
                case layouts.Chunked() as found:
                    return list(layouts.chunks(self.blob, self.objects.cursor(b""), found))
                case layouts.Contiguous(address, size) if address != NOWHERE:
                    return [layouts.Chunk((0,) * len(dataset.shape), address, size)]
                case _:
                    return []

    def _links(self, messages: list[Message]) -> list[tuple[str, int]]:
        return list(self.objects.links(messages))

    def _dataset(self, name: str, address: int, messages: list[Message]) -> Dataset:
        by_tag = {message.tag: message for message in messages}
        where, trouble = self._layout(by_tag[Tag.LAYOUT])
        type_ = datatype(self.objects.shared(by_tag[Tag.DATATYPE]))
        space = dataspace(self.objects.shared(by_tag[Tag.DATASPACE]))
        if isinstance(where, layouts.Contiguous | layouts.Chunked):
            _plausible(self.blob, name, where, space, type_)
        return Dataset(
            name=name,
            address=address,
            type=type_,
            space=space,
            attributes=dict(self._attributes(messages)),
            filters=filters(self.objects.shared(by_tag[Tag.FILTERS]))
            if Tag.FILTERS in by_tag
            else (),
            fill=self._fill(by_tag),
            layout=where,
            trouble=trouble,
        )

    def _layout(self, message: Message) -> tuple[layouts.Layout | None, str]:
        try:
            return layouts.layout(self.objects.shared(message)), ""
        except Unsupported as error:
            return None, str(error)

    def _fill(self, by_tag: dict[int, Message]) -> bytes | None:
        if Tag.FILL in by_tag:
            return _fill(self.objects.shared(by_tag[Tag.FILL]))
        if Tag.OLD_FILL in by_tag:
            cursor = self.objects.shared(by_tag[Tag.OLD_FILL])
            return cursor.take(cursor.number(4)) or None
        return None

    def _attributes(self, messages: list[Message]) -> Iterator[tuple[str, Any]]:
        for data in self.objects.attributes(messages):
            name, type_, space, rest = self._attribute(data)
            value = self._value(type_, space, rest)
            if value is not None:
                yield name, value

    def _attribute(self, data: bytes) -> tuple[str, Datatype, Dataspace, Cursor]:
        cursor = self.objects.cursor(data)
        version, flags = cursor.numbers(1, 2)
        sizes = cursor.numbers(2, 3)
        cursor.skip(1 if version == 3 else 0)
        parts: list[Cursor] = []
        for size in sizes:
            parts.append(self.objects.cursor(cursor.take(size)))
            if version == 1:
                cursor.skip(-size % 8)
        name, type_, space = parts
        if flags & 1:
            type_ = self.objects.pointed(type_, Tag.DATATYPE)
        label = name.data.split(b"\0")[0].decode("utf-8", "replace")
        return label, datatype(type_), dataspace(space), cursor

    def _value(self, type_: Datatype, space: Dataspace, cursor: Cursor) -> Any:
        """A number, a text, or a list of either; None for what this reader leaves out."""
        if space.count > cursor.left:
            raise Damaged(f"an attribute of {space.count} values")
        match type_.kind:
            case Kind.NUMBER:
                found = np.frombuffer(cursor.take(space.count * type_.size), type_.numpy)
                return _plain(found.reshape(space.shape or ()), space)
            case Kind.TEXT:
                texts = [_text(cursor.take(type_.size)) for _ in range(space.count)]
                return _plain(np.array(texts, object).reshape(space.shape or ()), space)
            case Kind.LONG_TEXT:
                texts = [_text(self._long(cursor, 1)) for _ in range(space.count)]
                return _plain(np.array(texts, object).reshape(space.shape or ()), space)
            case Kind.POINTERS:
                return [self._pointers(cursor) for _ in range(space.count)]
            case Kind.OTHER:
                return None

    def _pointers(self, cursor: Cursor) -> list[int]:
        wide = self.widths.address
        found = self._long(cursor, wide)
        return [
            int.from_bytes(found[at : at + wide], "little") for at in range(0, len(found), wide)
        ]

    def _long(self, cursor: Cursor, size: int) -> bytes:
        """What is of varying length stands in a heap."""
        count, address, index = cursor.number(4), cursor.address(), cursor.number(4)
        if count == 0 or address == NOWHERE:
            return b""
        return global_object(self.blob, self.widths, address, index)[: count * size]


def _recognize(blob: RangedBlob) -> None:
    head = blob.read(0, min(8, blob.size))
    if head[:4] in CLASSIC:
        raise BadInput(
            f"{blob.ref} is a NetCDF 3 (classic) file; convert it with: nccopy -k nc4 old.nc new.nc"
        )
    if head != SIGNATURE:
        raise BadInput(
            f"{blob.ref} is no NetCDF 4 and no HDF5 file; send it in one of these formats"
        )


def _superblock(blob: RangedBlob) -> tuple[Widths, int]:
    """The widths of numbers in this file, and the address of the root group."""
    head = blob.read(0, min(96, blob.size))
    version = Cursor(head, Widths(), 8).number(1)
    match version:
        case 0 | 1:
            widths = Widths(*Cursor(head, Widths(), 13).numbers(1, 2))
            cursor = Cursor(head, widths, 24 if version == 0 else 28)
            base, _, end, _, _, root = (cursor.address() for _ in range(6))
        case 2 | 3:
            widths = Widths(*Cursor(head, Widths(), 9).numbers(1, 2))
            cursor = Cursor(head, widths, 12)
            base, _, end, root = (cursor.address() for _ in range(4))
        case _:
            raise Unsupported(f"a superblock of version {version}")
    if base != 0:
        raise Unsupported("a block of the user's own before the data")
    if end > blob.size:
        raise Damaged(f"{blob.size} of {end} bytes are there")
    return widths, root


def _plausible(
    blob: RangedBlob,
    name: str,
    where: layouts.Contiguous | layouts.Chunked,
    space: Dataspace,
    type_: Datatype,
) -> None:
    """Sizes that cannot be true would be believed at great cost."""
    match where:
        case layouts.Chunked(_, shape):
            right = len(shape) == len(space.shape or ()) and 0 not in shape
        case layouts.Contiguous(address, size):
            right = address == NOWHERE or (
                size == space.count * type_.size and address + size <= blob.size
            )
    if not right:
        raise Damaged(f"{name} cannot be of shape {space.shape}")


def _has(messages: list[Message], tag: Tag) -> bool:
    return any(message.tag == tag for message in messages)


def _fill(cursor: Cursor) -> bytes | None:
    version = cursor.number(1)
    if version == 3:
        defined = cursor.number(1) & 0x20
    else:
        cursor.skip(2)
        defined = cursor.number(1)
    return cursor.take(cursor.number(4)) or None if defined else None


def _text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("utf-8", "replace")


def _plain(found: np.ndarray[Any, Any], space: Dataspace) -> Any:
    """As JSON has it. NetCDF writes one number as a list of one."""
    if space.shape is None:
        return ""
    return found.reshape(-1)[0] if found.size == 1 else found.tolist()

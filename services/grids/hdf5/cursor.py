"""A place in some bytes that moves on as numbers are read. HDF5 is little-endian throughout."""

from typing import NamedTuple

NOWHERE = 0xFFFF_FFFF_FFFF_FFFF
"""How HDF5 writes the address of what was never stored."""


class Damaged(Exception):
    """The bytes are not what the format says must stand there."""


class Unsupported(Exception):
    """The bytes are right, but this reader does not know what they mean."""


class Widths(NamedTuple):
    """How many bytes this file spends on an address and on a length."""

    address: int = 8
    length: int = 8


class Cursor:
    """Reads forward. Past the end there is nothing: the file is damaged."""

    def __init__(self, data: bytes, widths: Widths, at: int = 0) -> None:
        self.data, self.widths, self.at = data, widths, at

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        if count < 0 or count > self.left:
            raise Damaged(f"{count} bytes wanted where {self.left} are left")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def numbers(self, width: int, count: int) -> tuple[int, ...]:
        return tuple(self.number(width) for _ in range(count))

    def address(self) -> int:
        """An address; NOWHERE whatever its width, where nothing was stored."""
        width = self.widths.address
        found = self.number(width)
        return NOWHERE if found == (1 << 8 * width) - 1 else found

    def length(self) -> int:
        return self.number(self.widths.length)

    def skip(self, count: int) -> None:
        self.take(count)

    def align(self, to: int, start: int = 0) -> None:
        """Move to the next multiple of `to`, counted from `start`."""
        self.skip(-(self.at - start) % to)

    def expect(self, signature: bytes) -> None:
        found = self.take(len(signature))
        if found != signature:
            raise Damaged(f"{signature.decode()} expected, {found!r} found")

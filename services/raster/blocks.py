"""How large the blocks of a COG are, so that every reader and validator takes them for blocks."""

from collections.abc import Iterator

USUAL = 512
LARGEST = 16 << 20
"""A block holds the cells of all bands, and several are in memory at once."""
SMALL = 512
"""An image no larger than this, across and down, needs no blocks."""


def size_of(width: int, height: int, cell_bytes: int) -> int:
    """Where an image or an overview is exactly one block wide, validators take its blocks for rows."""
    most = _fitting(cell_bytes)
    sizes = (most, most // 2, most * 3 // 4)
    return next(size for size in sizes if not _looks_striped(width, height, size))


def has_overviews(width: int, height: int, size: int) -> bool:
    """Those of a strip of a few columns could not be told apart by their width."""
    return width >= 1 << sum(1 for _ in _levels(width, height, size))


def _fitting(cell_bytes: int) -> int:
    """Smaller where there are many bands, so that a block never fills the memory."""
    size = USUAL
    while size > 128 and size * size * cell_bytes > LARGEST:
        size //= 2
    return size


def _looks_striped(width: int, height: int, size: int) -> bool:
    every = [(width, height), *_levels(width, height, size)]
    return any(wide == size and high > SMALL for wide, high in every)


def _levels(width: int, height: int, size: int) -> Iterator[tuple[int, int]]:
    """The overviews: each has half the cells across and down, until one fits into a block."""
    while max(width, height) > size:
        width, height = (width + 1) // 2, (height + 1) // 2
        yield width, height

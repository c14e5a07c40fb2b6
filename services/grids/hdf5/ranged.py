"""A blob read in ranges, in blocks that are kept, for formats whose parts lie scattered."""

from collections import OrderedDict
from collections.abc import Callable

from core.blobs import BlobRef, Blobs
from core.errors import BadInput

BLOCK = 256 * 1024
KEPT = 64


class RangedBlob:
    """One state of a blob: once looked at, a change of it raises BlobChanged."""

    def __init__(self, blobs: Blobs, ref: BlobRef) -> None:
        info = blobs.info(ref)
        self.blobs, self.ref, self.size, self.etag = blobs, ref, info.size, info.etag
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def once(self) -> Callable[[int], None]:
        """For a walk through a tree: refuses to come to an address twice, so every walk ends."""
        seen: set[int] = set()

        def enter(address: int) -> None:
            if address in seen:
                raise BadInput(f"{self.ref} is damaged: a tree in it leads back to itself")
            seen.add(address)

        return enter

    def read(self, start: int, length: int) -> bytes:
        """Exactly so many bytes; a file that ends before them is damaged."""
        if start < 0 or start + length > self.size:
            raise BadInput(
                f"{self.ref} is damaged or cut short: it points to byte {start + length} "
                f"of {self.size}; send it again"
            )
        first, last = start // BLOCK, (start + max(length, 1) - 1) // BLOCK
        whole = b"".join(self._block(number) for number in range(first, last + 1))
        return whole[start - first * BLOCK :][:length]

    def _block(self, number: int) -> bytes:
        if number not in self._kept:
            self._kept[number] = self.blobs.read(self.ref, number * BLOCK, BLOCK, etag=self.etag)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number]

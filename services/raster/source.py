"""Open a file someone sent: allowed drivers only, nothing beside it, watched while it is read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import SEEK_END
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self
from uuid import uuid4

import rasterio
from rasterio._err import CPLE_BaseError  # rasterio lets it escape, so it has to be caught by name
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from core.blobs import BlobInfo, BlobRef, Blobs
from core.errors import BadInput, BlobNotFound
from services.storage.spool import Spool


class Opened(Protocol):
    """A file that is read."""

    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...
    def close(self) -> None: ...


class Openable(Protocol):
    """Pieces of a file far away, opened like a file."""

    def open(self, mode: Literal["rb"] = "rb", buffering: Literal[0] = 0) -> Any: ...


Source = Path | Spool | Openable
"""Where the bytes of a raster come from."""

GEOTIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
JPEG2000 = b"\0\0\0\x0cjP  \r\n\x87\n"
GDAL_ERRORS = (RasterioError, CPLE_BaseError)


class Watch:
    """Counts how often GDAL has read through its files, and can cut them short: GDAL's only brake here."""

    def __init__(self, passes: int = 1) -> None:
        self.passes = passes
        self.done = 0.0
        self.stopped = False
        self.error: BaseException | None = None
        """Why a file could not be read. GDAL is told that it ends there, since no exception passes through it."""

    def stop(self) -> None:
        self.stopped = True


class _Watched:
    """A file that tells its watch what is read, and looks cut short once the watch has stopped."""

    def __init__(self, file: Opened, watch: Watch) -> None:
        self.file, self.watch = file, watch
        self.size = max(file.seek(0, SEEK_END), 1)
        file.seek(0)
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        if self.watch.stopped:
            return b""
        try:
            data = self.file.read(size)
        except Exception as error:  # noqa: BLE001 - raised again where GDAL has returned
            self.watch.error = error
            self.watch.stop()
            return b""
        self.watch.done += len(data) / self.size
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def found(blobs: Blobs, source: BlobRef) -> BlobInfo:
    try:
        return blobs.info(source)
    except BlobNotFound as error:
        raise BadInput(f"{source} is not there (any more); upload it, then submit again") from error


def driver_of(source: Source, name: str) -> str:
    """The driver for a file, by its first bytes: its extension and the 150 other drivers have no say."""
    with source.open("rb", buffering=0) as file:
        head = file.read(12)
    if head.startswith(GEOTIFF):
        return "GTiff"
    if head.startswith(JPEG2000):
        return "JP2OpenJPEG"
    raise BadInput(f"{name} is no GeoTIFF and no JPEG 2000; send it in one of these formats")


@contextmanager
def opened(source: Source, name: str, watch: Watch | None = None) -> Iterator[DatasetReader]:
    """The dataset in `source`, which errors call `name`; whatever fails to be read is the sender's fault."""
    driver = driver_of(source, name)
    inner = f"{uuid4().hex}.tif"
    watch = watch or Watch()
    try:
        with rasterio.open(
            inner, driver=driver, sharing=False, opener=_only(inner, source, watch)
        ) as dataset:
            yield dataset
        if watch.error is not None:  # GDAL takes some missing bytes for zeros
            raise watch.error
    except GDAL_ERRORS as error:
        if watch.error is not None:
            raise watch.error from error
        raise BadInput(f"{name} is damaged or cut short: {_reason(error, inner)}") from error


def _only(inner: str, source: Source, watch: Watch) -> Callable[..., _Watched]:
    def open_file(asked: str, mode: str = "rb") -> _Watched:
        if asked != inner:
            raise FileNotFoundError(asked)
        return _Watched(source.open("rb", buffering=0), watch)

    return open_file


def _reason(error: BaseException, inner: str) -> str:
    """What GDAL said first, without the name it knows the file by."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    text = getattr(cause, "errmsg", None) or str(cause)
    return " ".join(word for word in text.split() if inner not in word) or "GDAL cannot read it"

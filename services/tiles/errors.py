"""What can go wrong with a picture. The words of GDAL and rio-tiler name addresses, so they stay inside."""

from collections.abc import Iterator
from contextlib import contextmanager

from rasterio._err import CPLE_BaseError
from rasterio.errors import CRSError, RasterioError, WarpOptionsError
from rio_tiler.errors import (
    EmptyMosaicError,
    InvalidBufferSize,
    InvalidFormat,
    NoAssetFoundError,
    PointOutsideBounds,
    RioTilerError,
    TileOutsideBounds,
)

from core.errors import BadInput, CoreMachineError, ServiceUnavailable

OUTSIDE = (TileOutsideBounds, PointOutsideBounds, NoAssetFoundError, EmptyMosaicError)
ASKED_WRONGLY = (InvalidFormat, InvalidBufferSize)


class CannotShow(BadInput):
    """This cannot be shown as a picture, or not this way."""

    code = "cannot_show"


class TooManyRasters(BadInput):
    """The picture would be made of more rasters than one request may open."""

    code = "too_many_rasters"


class OutsideBounds(CoreMachineError):
    """Nothing lies there."""

    code, status = "outside_bounds", 404


@contextmanager
def told() -> Iterator[None]:
    """Errors of the libraries as ours."""
    try:
        yield
    except OUTSIDE:
        raise OutsideBounds("No raster covers this place.") from None
    except ASKED_WRONGLY as error:
        raise CannotShow(str(error)) from None
    except (RioTilerError, WarpOptionsError, CRSError, CPLE_BaseError, OverflowError):
        raise CannotShow("The raster cannot be shown this way, or not there.") from None
    except RasterioError:
        raise ServiceUnavailable("A raster could not be read from storage") from None

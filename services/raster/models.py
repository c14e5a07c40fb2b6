"""Values about rasters: what one is, what became of it."""

from datetime import datetime
from enum import StrEnum
from math import isfinite
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer

from core.blobs import BlobRef

COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"

Box = tuple[float, float, float, float]
"""West, south, east, north. West lies east of east where a box crosses the 180th meridian."""


def _as_json(value: float | None) -> float | str | None:
    return value if value is None or isfinite(value) else str(value)


Cell = Annotated[float | None, PlainSerializer(_as_json, when_used="json")]
"""The value of a cell. JSON knows no NaN, and NaN is a usual nodata value, so it travels as text."""


Color = tuple[int, int, int, int]
"""Red, green, blue and opacity, from 0 to 255."""


class RasterType(StrEnum):
    """What the cells mean, as far as it decides how to compress and resample them."""

    RGB = "rgb"
    RGBA = "rgba"
    DEM = "dem"
    CATEGORICAL = "categorical"
    MULTISPECTRAL = "multispectral"
    NIR = "nir"
    FLOOD_DEPTH = "flood_depth"
    CONTINUOUS = "continuous"


class Tier(StrEnum):
    """What a COG is for, which decides how it is compressed and what it costs to keep."""

    VISUALIZATION = "visualization"
    ANALYSIS = "analysis"
    ARCHIVE = "archive"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Statistics(Frozen):
    """Of the valid cells of a look spread over the whole band; no numbers where none is valid."""

    minimum: float | None
    maximum: float | None
    mean: float | None
    valid_share: float
    stddev: float | None = None
    p2: float | None = None
    p98: float | None = None
    """Two and ninety-eight of a hundred cells lie below: a range that a few odd cells do not stretch."""


class Band(Frozen):
    """One band: how it is stored and what it holds."""

    name: str
    color: str
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    statistics: Statistics


class Grid(Frozen):
    """Where the cells lie. `transform` is affine: x = a·column + b·row + c, y = d·column + e·row + f."""

    width: int
    height: int
    crs: str
    transform: tuple[float, float, float, float, float, float]
    bounds: Box
    bounds_lonlat: Box

    @property
    def pixel_size(self) -> tuple[float, float]:
        return abs(self.transform[0]), abs(self.transform[4])

    @property
    def south_up(self) -> bool:
        return self.transform[4] > 0


class RasterInfo(Frozen):
    """What a look at a raster found. `grid.crs` is the file's own, or the caller's where it has none."""

    source: BlobRef
    size: int
    etag: str = ""
    """The state of the blob that was looked at; what is built is built from the same."""
    md5: str | None = None
    driver: str
    grid: Grid
    dtype: str
    nodata: Cell = None
    block: tuple[int, int] = (0, 0)
    """Rows and columns that the file keeps together."""
    bands: list[Band]
    raster_type: RasterType
    reason: str
    has_mask: bool = False
    has_palette: bool = False
    palette: dict[int, Color] = {}
    """The file's own colours, where it has a colour table."""
    classes: list[int] = []
    """The distinct values that were seen, where the cells are classes."""
    taken: datetime | None = None
    warnings: list[str] = []
    """What a person should know, though the raster can be used."""

    @property
    def has_alpha(self) -> bool:
        return any(band.color == "alpha" for band in self.bands)

    @property
    def is_categorical(self) -> bool:
        return self.raster_type is RasterType.CATEGORICAL

    @property
    def shown_bands(self) -> int:
        return sum(band.color != "alpha" for band in self.bands)

    @property
    def cell_bytes(self) -> int:
        """Of all bands. A dtype's name ends in its bits."""
        return int("".join(filter(str.isdigit, self.dtype))) // 8 * len(self.bands)

    @property
    def striped(self) -> bool:
        """Whether rows are kept whole, so that part of a row costs as much as all of it."""
        return self.block[1] >= self.grid.width


class Tile(Frozen):
    """A part of a giant raster, in the CRS and cells of the output. Equal plans give equal tiles."""

    id: str
    row: int
    column: int
    offset: tuple[int, int]
    """The column and row, in the whole output, of its first cell."""
    width: int
    height: int
    transform: tuple[float, float, float, float, float, float]


class CogOrder(Frozen):
    """What one task builds: the whole raster, or one tile of it; every tier of it from one reading."""

    tile: Tile | None = None


class Skipped(Frozen):
    """A tier that was asked for and not made, and why."""

    tier: Tier
    reason: str


class Cog(Frozen):
    """A Cloud Optimized GeoTIFF as it was found on disk after writing, not as it was ordered."""

    ref: BlobRef
    size: int
    sha256: str
    tier: Tier
    compression: str
    grid: Grid
    dtype: str
    band_count: int
    nodata: Cell = None
    overviews: list[int]
    valid: bool
    footprint: dict[str, Any] | None = None
    """The outline of its valid cells in degrees as GeoJSON, where it is not simply the box."""
    monthly_cost: float | None = None
    """What keeping it costs per month, in the currency of the installation's price table."""


class Built(Frozen):
    """What one task built. A tile without a single valid cell has no COG."""

    tile: Tile | None = None
    cogs: list[Cog]
    skipped: list[Skipped] = []
    failed: list[Skipped] = []


class TileSet(Frozen):
    """The tiles of a giant raster, as one thing."""

    grid: Grid
    """Of the whole output."""
    tiles: int
    empty: int
    bytes: int
    tier_bytes: dict[Tier, int] = {}
    """The same by tier."""
    index: BlobRef
    """GeoJSON: which tile lies where, from which window of the source, in which blob."""
    mosaic: BlobRef
    """The same as MosaicJSON, for clients that read that."""
    overview: Cog
    """The whole image, small."""
    monthly_cost: float | None = None
    tier_costs: dict[Tier, float] = {}
    """The same by tier."""


class Published(Frozen):
    """What processing a raster leaves behind."""

    item_id: str
    collection: str
    item: BlobRef
    """The STAC item as a blob; the catalog holds the same."""
    cogs: list[Cog]
    tiles: TileSet | None = None
    skipped: list[Skipped] = []
    failed: list[Skipped] = []
    info: RasterInfo

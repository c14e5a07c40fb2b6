"""A raster needs no more memory than GDAL's cache and some blocks, whatever its size."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

ALLOWED, GROWTH = 400 << 20, 100 << 20
"""What a conversion may add to what the libraries take, with a cache of 64 MB; what four times the cells may add."""

CHILD = """
import sys
from pathlib import Path
from core.blobs import BlobRef
from core.memory.blobs import MemoryBlobs
from services.raster import cog
from services.raster.inspect import inspect
from services.raster.models import Tier
from services.raster.options import RasterOptions
from triggers.memory import peak

source, options = BlobRef("bronze/a/a.tif"), RasterOptions(cache_mb=64)
names = {tier: BlobRef(f"silver/cogs/{tier}.tif") for tier in Tier}
blobs = MemoryBlobs()
blobs.write(source, Path(sys.argv[1]).read_bytes())
before = peak()
info = inspect(blobs, source, options=options)
work = cog.Work(info, [Tier.ANALYSIS], names.__getitem__, "task-1")
cog.build(blobs, work, lambda done, note: None, options)
print(peak() - before)
"""


def test_four_times_the_cells_need_hardly_more_memory(tmp_path: Path):
    """R65."""
    small, large = peak(tmp_path, 5_120), peak(tmp_path, 10_240)
    assert large < ALLOWED
    assert large - small < GROWTH


def peak(folder: Path, size: int) -> int:
    file = folder / f"{size}.tif"
    smooth(file, size)
    command = [sys.executable, "-c", CHILD, str(file)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def smooth(file: Path, size: int) -> None:
    """Bands of colour: up to 315 MB of cells, few megabytes of file."""
    profile = {"driver": "GTiff", "width": size, "height": size, "count": 3, "dtype": "uint8"}
    place = {"crs": "EPSG:32736", "transform": Affine(1, 0, 5e5, 0, -1, 98e5)}
    blocks = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
    row = np.broadcast_to((np.arange(size) // 64 % 200).astype("uint8"), (3, 512, size))
    with rasterio.open(file, "w", **profile, **place, **blocks, photometric="rgb") as target:
        for y in range(0, size, 512):
            target.write(row, window=rasterio.windows.Window(0, y, size, 512))


def test_a_peak_is_that_of_the_process_alone():
    """A child of a large process is not large itself."""
    ballast = np.ones(300 << 17, "float64")  # 300 MB
    child = "from triggers.memory import peak; print(peak())"
    told = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    assert int(told.stdout) < 100 << 20 < ballast.nbytes

"""The page on uploads does what it says, typed as it stands there."""

import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from core.blobs import BlobRef
from infrastructure.blobs.azure import AzureBlobs
from services.storage.uploads import PIECE
from tests.docs.pages import page

NEEDED = ("bash", "curl", "jq", "split")


@pytest.mark.skipif(
    not all(map(shutil.which, NEEDED)), reason=f"the page needs {', '.join(NEEDED)}"
)
def test_the_page_on_uploads_runs(
    storage: httpx.Client, stored: AzureBlobs, tmp_path: Path
) -> None:
    data = bytes(PIECE) + b"the rest"
    (tmp_path / "area.tif").write_bytes(data)
    by_form, by_hand = BlobRef("bronze/rasters/dem/area.tif"), BlobRef("bronze/rasters/area.tif")
    for code, made in zip(
        [block.code for block in page("docs/howto/upload-data.md").blocks_in("bash")],
        (by_form, by_hand, by_hand),
        strict=True,
    ):
        stored.delete(made)
        script = f"set -euo pipefail\nURL={storage.base_url}\n{code.replace('curl', 'curl -sfS')}"
        run = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert stored.read(made) == data

"""What may be uploaded, as settings say it, and what an upload's id tells."""

import pytest
from pydantic import ValidationError

from core.blobs import BlobRef
from core.errors import BadInput, UploadNotFound
from infrastructure.settings import Settings
from services.storage.uploads import PIECE, Rules, Upload

REF = BlobRef("bronze/rasters/ä #1?.tif")


def test_settings_name_zones_and_containers() -> None:
    into = Settings(upload_into=" bronze,silver-masks ,").upload_targets()
    assert into == ("bronze", "silver-masks")
    rules = Rules(into=into)
    rules.check(REF)
    rules.check(BlobRef("silver/masks/x"))
    with pytest.raises(BadInput, match="they go into bronze, silver-masks"):
        rules.check(BlobRef("silver/mask/x"))


@pytest.mark.parametrize("text", ["bronz", "silver-", "silver-A", "bronze;gold"])
def test_a_setting_that_names_no_zone_stops_the_process(text: str) -> None:
    with pytest.raises(ValidationError, match="upload_into"):
        Settings(upload_into=text)


def test_an_id_tells_the_whole_upload_and_is_never_given_twice() -> None:
    one, other = Upload(ref=REF, size=5), Upload(ref=REF, size=5)
    assert Upload.parse(one.id) == one
    assert one.id != other.id


@pytest.mark.parametrize("wrong", ["", "x", "====", "e30", "bnVsbA", "W10", "ü", "a" * 20_000])
def test_what_is_no_id_is_not_found(wrong: str) -> None:
    with pytest.raises(UploadNotFound):
        Upload.parse(wrong)


@pytest.mark.parametrize(
    ("size", "lengths"),
    [(0, []), (1, [1]), (PIECE, [PIECE]), (PIECE + 1, [PIECE, 1]), (2 * PIECE, [PIECE] * 2)],
)
def test_pieces_are_equally_long_but_for_the_last(size: int, lengths: list[int]) -> None:
    upload = Upload(ref=REF, size=size)
    assert [upload.length(n) for n in range(upload.count)] == lengths
    with pytest.raises(BadInput):
        upload.length(upload.count)

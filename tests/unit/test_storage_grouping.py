"""What belongs together in a container: parts of one dataset, deliveries of vendors, folders of tiles."""

import pytest

from core.blobs import BlobRef, Zone
from services.storage.datasets import assemble
from services.storage.findings import Dataset, Group, Grouping, Look
from services.storage.grouping import group, slug
from services.storage.headers import TiffHead
from services.storage.kinds import Category, kind_of
from services.storage.models import Container

CONTAINER = Container(zone=Zone.BRONZE, name="rasters")
PLACED = TiffHead(width=10, height=10, bands=3, bits=8, placed=True, crs=True)


def look(path: str, size: int = 1, **more: object) -> Look:
    ref = BlobRef.of(CONTAINER.zone, CONTAINER.name, path)
    category, format = kind_of(ref)
    return Look(ref=ref, size=size, category=category, format=format, **more)


def datasets(*paths: str) -> dict[str, Dataset]:
    return {d.name: d for d in assemble([look(path) for path in paths])[0]}


def groups(*looks: Look | str, mode: Grouping = "auto", least: int = 2) -> list[Group]:
    seen = [one if isinstance(one, Look) else look(one) for one in looks]
    found, others = assemble(seen)
    return group(found, others, CONTAINER, mode, least)


def told(found: list[Group]) -> list[tuple[str, str, list[str]]]:
    return sorted((g.kind, g.rule, g.members) for g in found)


@pytest.mark.parametrize(
    ("path", "category"),
    [
        ("a/DEM.TIF", Category.RASTER),
        ("a/x.zarr/0.0.0", Category.RASTER),
        ("store/.zgroup", Category.RASTER),
        ("a/roads.shp", Category.VECTOR),
        ("a/roads.shp.xml", Category.SIDECAR),
        ("a/dem.tif.aux.xml", Category.SIDECAR),
        ("a/dem.tfw", Category.SIDECAR),
        ("a/order.xml", Category.METADATA),
        ("a/all.tar.gz", Category.ARCHIVE),
        ("a/thing", Category.UNKNOWN),
        ("a/.hidden", Category.UNKNOWN),
    ],
)
def test_a_name_tells_the_category(path: str, category: Category) -> None:
    assert look(path).category is category


def test_a_shapefile_is_one_dataset_and_says_what_it_lacks() -> None:
    found = datasets("v/Roads.SHP", "v/roads.dbf", "v/roads.shx", "v/roads.prj", "v/half.shp")
    assert len(found) == 2
    assert len(found["v/Roads.SHP"].attached) == 3
    assert found["v/Roads.SHP"].problems == []
    assert found["v/half.shp"].problems == ["has no .shx", "has no .dbf", "has no .prj"]


def test_sidecars_go_to_their_raster_and_a_shapefile_keeps_its_own() -> None:
    found = datasets(
        "a.shp", "a.shx", "a.dbf", "a.prj", "a.tif", "a.tfw", "a.tif.ovr", "a.tif.aux.xml"
    )
    assert sorted(s.ref.path for s in found["a.tif"].attached) == [
        "a.tfw",
        "a.tif.aux.xml",
        "a.tif.ovr",
    ]
    assert len(found["a.shp"].attached) == 3


def test_a_sidecar_without_its_blob_is_told() -> None:
    found, others = assemble([look("lost.tfw")])
    assert (found, [o.problem for o in others]) == ([], ["belongs to no blob here"])


def test_a_zarr_store_is_one_dataset_however_many_blobs_it_has() -> None:
    found = datasets(
        "t.zarr/.zgroup", "t.zarr/air/.zarray", "t.zarr/air/0.0", "s/zarr.json", "s/a/zarr.json"
    )
    assert {name: len(d.parts) for name, d in found.items()} == {"t.zarr": 3, "s": 2}


def test_a_raster_that_lies_nowhere_is_told_unless_a_world_file_places_it() -> None:
    bare = TiffHead(width=10, height=10)
    found, _ = assemble([look("a.tif", tiff=bare), look("b.tif", tiff=bare), look("b.tfw")])
    assert [bool(d.problems) for d in found] == [True, False]


def test_a_vendors_delivery_is_a_collection_with_its_manifests() -> None:
    """The nearest manifest counts: the sharp and the coloured rasters of one order stay apart."""
    order = [
        "o1/o1_README.TXT",
        *(f"o1/o1_P001_MUL/20JAN-M-R{n}C1.TIF" for n in (1, 2)),
        *(f"o1/o1_P001_PAN/20JAN-P-R{n}C1.TIF" for n in (1, 2)),
        "o1/o1_P001_MUL/20JAN-M.IMD",
        "o1/extra/one.tif",
        "o1/extra/two.tif",
        "alone/x.tif",
    ]
    til = look("o1/o1_P001_PAN/20JAN-P.TIL", lists=["20JAN-P-R1C1.TIF", "20JAN-P-R9C9.TIF"])
    found = {g.name: g for g in groups(*order, til)}
    assert set(found) == {"o1", "o1-o1-p001-mul", "o1-o1-p001-pan", "alone-x"}
    assert found["o1"].members == ["o1/extra/one.tif", "o1/extra/two.tif"]
    pan = found["o1-o1-p001-pan"]
    assert (pan.rule, pan.vendor, pan.attached) == ("manifest", "maxar", [til.ref.path])
    assert pan.problems == ["20JAN-P.TIL lists 20JAN-P-R9C9.TIF, which is not there"]


MIXED = ("a/t1.tif", "a/t2.tif", "b/x.tif", "dem_1.tif", "dem_2.tif", "ortho.tif", "a/v.gpkg")


@pytest.mark.parametrize(
    ("mode", "collections"),
    [
        ("auto", [["a/t1.tif", "a/t2.tif"], ["dem_1.tif", "dem_2.tif"]]),
        ("folder", [["a/t1.tif", "a/t2.tif"], ["dem_1.tif", "dem_2.tif", "ortho.tif"]]),
        ("prefix", [["a/t1.tif", "a/t2.tif"], ["dem_1.tif", "dem_2.tif"]]),
        ("manifest", []),
        ("all_singles", []),
        (
            "all_collection",
            [["a/t1.tif", "a/t2.tif", "b/x.tif", "dem_1.tif", "dem_2.tif", "ortho.tif"]],
        ),
    ],
)
def test_a_mode_says_what_makes_a_collection(mode: Grouping, collections: list[list[str]]) -> None:
    """Whatever the mode, each blob is in one group, and vectors stand alone."""
    found = groups(*MIXED, mode=mode)
    assert sorted(g.members for g in found if g.kind == "collection") == sorted(collections)
    assert sorted(m for g in found for m in g.members) == sorted(MIXED)


def test_too_few_rasters_are_no_collection() -> None:
    names = [f"a/t{n}.tif" for n in range(3)]
    assert [g.kind for g in groups(*names, least=3)] == ["collection"]
    assert [g.kind for g in groups(*names, least=4)] == ["single"] * 3


def test_a_collection_of_unlike_rasters_is_told() -> None:
    one = look("a/1.tif", tiff=PLACED)
    other = look("a/2.tif", tiff=PLACED.model_copy(update={"bands": 1}))
    [found] = groups(one, other)
    assert found.problems == ["The members are not alike: 1 bands of 8 bits, 3 bands of 8 bits"]


def test_a_broken_raster_stands_alone_without_a_job() -> None:
    found = groups("a/1.tif", "a/2.tif", look("a/3.tif", problem="is empty"))
    assert told(found) == [
        ("collection", "folder", ["a/1.tif", "a/2.tif"]),
        ("single", "single", ["a/3.tif"]),
    ]
    assert [(g.job, g.problems) for g in found if g.kind == "single"] == [(None, ["is empty"])]


def test_a_group_names_its_job_with_parameters_ready_to_submit() -> None:
    found = {g.name: g for g in groups("dem 1/a.tif", "dem 1/b.tif", "x/One.tif", "x/roads.gpkg")}
    assert found["dem-1"].job == "process_raster_collection"
    assert found["dem-1"].parameters == {
        "container_name": "bronze-rasters",
        "blob_list": ["dem 1/a.tif", "dem 1/b.tif"],
        "collection_id": "dem-1",
    }
    assert found["x-one"].job == "process_raster"
    assert found["x-roads"].parameters["table_name"] == "roads"
    assert groups("t.zarr/.zgroup")[0].job is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("A b/Ünï.tif", "a-b-n"),
        ("日本.tif", "collection"),
        ("x" * 300, "x" * 64),
        ("v1.2/a", "v1-2-a"),
    ],
)
def test_a_slug_is_a_name_that_any_catalog_takes(path: str, name: str) -> None:
    assert slug(path) == name

"""Bring blobs together that are one thing: a shapefile's parts, a raster and its sidecars, a Zarr store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from services.storage.findings import Dataset, Look
from services.storage.kinds import SHAPEFILE_PARTS, Category, root_of_zarr, sidecar_stem, stem

NEEDED = (".shp", ".shx", ".dbf")
WANTED = (".prj",)
MAIN = {Category.RASTER, Category.VECTOR}


def assemble(looks: Iterable[Look]) -> tuple[list[Dataset], list[Look]]:
    """The datasets among the blobs, and the blobs that belong to none."""
    stores: defaultdict[str, list[Look]] = defaultdict(list)
    mains: list[Look] = []
    sidecars: list[Look] = []
    rest: list[Look] = []
    for look in looks:
        if look.format == "zarr" and (root := root_of_zarr(look.ref.path)):
            stores[root].append(look)
        elif look.category in MAIN:
            mains.append(look)
        else:
            (sidecars if look.category is Category.SIDECAR else rest).append(look)
    attached, orphans = _attach(sidecars, mains)
    datasets = [_dataset(main, attached[main.ref]) for main in mains]
    return [*datasets, *_stores(stores)], [*rest, *orphans]


def _attach(
    sidecars: Iterable[Look], mains: Iterable[Look]
) -> tuple[defaultdict[str, list[Look]], list[Look]]:
    """Sidecars by the blob that they belong to (`a.tif.ovr` or `a.ovr` to `a.tif`), and those without one."""
    named: dict[tuple[bool, str], Look] = {}
    for main in mains:
        is_shape = main.format == "shapefile"
        named.setdefault((is_shape, stem(main.ref.path).lower()), main)
        named[is_shape, main.ref.path.lower()] = main
    attached: defaultdict[str, list[Look]] = defaultdict(list)
    orphans: list[Look] = []
    for sidecar in sidecars:
        path = sidecar.ref.path.lower()
        of_shape, name = path.endswith(SHAPEFILE_PARTS), sidecar_stem(path) or ""
        main = named.get((of_shape, name)) or named.get((not of_shape, name))
        if main is None:
            orphans.append(sidecar.model_copy(update={"problem": "belongs to no blob here"}))
        else:
            attached[main.ref].append(sidecar)
    return attached, orphans


def _dataset(main: Look, attached: list[Look]) -> Dataset:
    problems = [main.problem] if main.problem else []
    endings = {_ending(look.ref.path) for look in (main, *attached)}
    if main.format == "shapefile":
        problems += [f"has no {end}" for end in (*NEEDED, *WANTED) if end not in endings]
    if main.tiff is not None and not main.tiff.placed and not _has_world_file(endings):
        problems.append("does not say where it lies: no place in its head and no world file")
    if main.tiff is not None and main.tiff.placed and not main.tiff.crs:
        problems.append("names no coordinate reference system; pass input_crs")
    return Dataset(
        name=main.ref.path,
        category=main.category,
        format=main.format,
        parts=[main],
        attached=attached,
        problems=problems,
    )


def _has_world_file(endings: set[str]) -> bool:
    return any((len(end) > 2 and end.endswith("w")) or end == ".wld" for end in endings)


def _ending(path: str) -> str:
    return f".{path.rpartition('.')[2].lower()}"


def _stores(stores: dict[str, list[Look]]) -> list[Dataset]:
    """A store inside a store is a part of it."""
    roots = [root for root in stores if not any(_is_inside(root, other) for other in stores)]
    merged: defaultdict[str, list[Look]] = defaultdict(list)
    for root, parts in stores.items():
        merged[next(r for r in roots if r == root or _is_inside(root, r))] += parts
    return [
        Dataset(name=root, category=Category.RASTER, format="zarr", parts=parts)
        for root, parts in merged.items()
    ]


def _is_inside(folder: str, other: str) -> bool:
    return folder.startswith(f"{other}/")

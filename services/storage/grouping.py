"""Group datasets into collections and singles, and name the job that each group is for."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from pydantic import JsonValue

from core.blobs import BlobRef
from services.storage.findings import Dataset, Group, Grouping, Look
from services.storage.kinds import Category, folder_of
from services.storage.models import Container, extension_of

MANIFESTS = (
    (re.compile(r".*\.(til|imd)$"), "maxar"),
    (re.compile(r"(dim|vol)_.*\.xml$"), "airbus"),
    (re.compile(r".*_mtl\.(txt|json|xml)$"), "landsat"),
    (re.compile(r"mtd_.*\.xml$"), "sentinel"),
    (re.compile(r".*_readme\.(txt|xml)$"), None),
    (re.compile(r"(.*_)?(manifest|delivery|order)\.(json|xml|txt|csv)$"), None),
)
"""Names of the files that vendors put beside the rasters of a delivery."""
BUILDABLE = frozenset({"geotiff", "jpeg2000"})
"""Formats that the raster jobs read."""
LEADING = re.compile(r"[^\W\d_]+|[^_\-. ]+")

Key = tuple[str, str]
"""The rule that brings datasets together, and the name of what they are together."""


def group(
    datasets: list[Dataset],
    others: list[Look],
    container: Container,
    mode: Grouping,
    least: int,
) -> list[Group]:
    """Collections of at least so many rasters, and everything else by itself."""
    folders = _deliveries(others)
    keyed: defaultdict[Key, list[Dataset]] = defaultdict(list)
    for dataset in datasets:
        key = KEYS[mode](dataset, folders) if _is_buildable(dataset) else ("single", "")
        keyed[key].append(dataset)
    return list(_groups(keyed, folders, container, least))


def _is_buildable(dataset: Dataset) -> bool:
    """Whether the raster jobs can read it. What is broken stands alone, and holds no collection up."""
    return dataset.format in BUILDABLE and dataset.parts[0].problem is None


def _groups(
    keyed: dict[Key, list[Dataset]],
    folders: dict[str, list[Look]],
    container: Container,
    least: int,
) -> Iterator[Group]:
    for (rule, name), members in sorted(keyed.items()):
        if rule == "single" or (len(members) < least and rule != "all"):
            yield from (_single(dataset, container) for dataset in members)
        else:
            manifests = folders.get(name, []) if rule == "manifest" else []
            yield _collection(rule, name, members, manifests, container)


# Which datasets belong together


def _all(rule: str, dataset: Dataset, folders: dict[str, list[Look]]) -> Key:
    return rule, ""


def _by_folder(dataset: Dataset, folders: dict[str, list[Look]]) -> Key:
    return "folder", folder_of(dataset.name)


def _by_prefix(dataset: Dataset, folders: dict[str, list[Look]]) -> Key:
    """Names that begin alike in one folder: `tile_001` and `tile_002`, `n10e020` and `n11e020`."""
    folder, slash, name = dataset.name.rpartition("/")
    leading = LEADING.match(name)
    return "prefix", f"{folder}{slash}{leading[0] if leading else name}"


def _by_manifest(dataset: Dataset, folders: dict[str, list[Look]]) -> Key:
    delivery = _delivery_of(dataset, folders)
    return ("single", "") if delivery is None else ("manifest", delivery)


def _automatically(dataset: Dataset, folders: dict[str, list[Look]]) -> Key:
    """A vendor's manifest knows best, then the folder; at the top, where everything lands, the name."""
    rule, name = _by_manifest(dataset, folders)
    if rule == "manifest":
        return rule, name
    at_top = not folder_of(dataset.name)
    return _by_prefix(dataset, folders) if at_top else _by_folder(dataset, folders)


KEYS: dict[Grouping, Callable[[Dataset, dict[str, list[Look]]], Key]] = {
    "auto": _automatically,
    "folder": _by_folder,
    "prefix": _by_prefix,
    "manifest": _by_manifest,
    "all_singles": partial(_all, "single"),
    "all_collection": partial(_all, "all"),
}


def vendor_of(manifest: BlobRef) -> tuple[bool, str | None]:
    """Whether a blob is a manifest of a delivery, and whose."""
    name = manifest.name.lower()
    return next(((True, vendor) for form, vendor in MANIFESTS if form.match(name)), (False, None))


def _deliveries(others: Iterable[Look]) -> dict[str, list[Look]]:
    """The manifests by the folder in which they lie."""
    folders: defaultdict[str, list[Look]] = defaultdict(list)
    for look in others:
        if look.category is Category.METADATA and vendor_of(look.ref)[0]:
            folders[folder_of(look.ref.path)].append(look)
    return folders


def _delivery_of(dataset: Dataset, folders: dict[str, list[Look]]) -> str | None:
    """The nearest folder above a dataset, or its own, that has a manifest."""
    folder = folder_of(dataset.name)
    while folder not in folders:
        if not folder:
            return None
        folder = folder_of(folder)
    return folder


# What a group says


def _collection(
    rule: str,
    name: str,
    members: list[Dataset],
    manifests: list[Look],
    container: Container,
) -> Group:
    blobs = sorted(member.name for member in members)
    called = slug(name or container.name)
    parameters: dict[str, JsonValue] = {
        "container_name": f"{container.zone}-{container.name}",
        "blob_list": list[JsonValue](blobs),
        "collection_id": called,
    }
    formats = sorted({member.format or "" for member in members})
    return Group(
        name=called,
        kind="collection",
        rule=rule,
        category=Category.RASTER,
        format=formats[0] if len(formats) == 1 else None,
        members=blobs,
        attached=[look.ref.path for m in members for look in m.attached]
        + [look.ref.path for look in manifests],
        bytes=sum(member.bytes for member in members),
        vendor=next((v for look in manifests if (v := vendor_of(look.ref)[1])), None),
        problems=[*_told(members), *_differences(members), *_missing(members, manifests)],
        job="process_raster_collection",
        parameters=parameters,
    )


def _single(dataset: Dataset, container: Container) -> Group:
    job, parameters = _job_for(dataset, container)
    return Group(
        name=slug(dataset.name),
        kind="single",
        rule="single",
        category=dataset.category,
        format=dataset.format,
        members=[dataset.name],
        attached=[look.ref.path for look in dataset.attached],
        bytes=dataset.bytes,
        problems=dataset.problems,
        job=job,
        parameters=parameters,
    )


def _job_for(dataset: Dataset, container: Container) -> tuple[str | None, dict[str, JsonValue]]:
    ref = f"{container.zone}/{container.name}/{dataset.name}"
    if dataset.parts[0].problem:
        return None, {}
    if dataset.format in BUILDABLE:
        place = slug(folder_of(dataset.name) or container.name)
        return "process_raster", {"source": ref, "collection": place}
    if dataset.category is Category.VECTOR:
        return "process_vector", {
            "container_name": f"{container.zone}-{container.name}",
            "blob_name": dataset.name,
            "file_extension": extension_of(BlobRef(ref)),
            "table_name": slug(dataset.name.rpartition("/")[2]).replace("-", "_"),
        }
    return None, {}


def _told(members: list[Dataset]) -> list[str]:
    return [f"{member.name} {problem}" for member in members for problem in member.problems]


def _differences(members: list[Dataset]) -> list[str]:
    """A collection of rasters that are not alike is rarely meant."""
    heads = [member.parts[0].tiff for member in members if member.parts[0].tiff]
    kinds = {(head.bands, head.bits) for head in heads}
    if len(kinds) < 2:
        return []
    told = ", ".join(f"{bands} bands of {bits} bits" for bands, bits in sorted(kinds, key=str))
    return [f"The members are not alike: {told}"]


def _missing(members: list[Dataset], manifests: list[Look]) -> list[str]:
    there = {member.name.rpartition("/")[2].lower() for member in members}
    return [
        f"{manifest.ref.name} lists {name}, which is not there"
        for manifest in manifests
        for name in manifest.lists
        if name.lower() not in there
    ]


def slug(path: str) -> str:
    """A name that any catalog takes, made of a path."""
    base = path.rpartition(".")[0] if "." in path.rpartition("/")[2] else path
    plain = re.sub(r"[^a-z0-9]+", "-", base.lower()).strip("-")
    return plain[-64:].strip("-") or "collection"

"""One contract for blob storage, held by the memory that tests use and by the SDK against Azurite."""

import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from core.blobs import BlobRef, Blobs, Zone
from core.errors import BadInput, BlobChanged, BlobNotFound
from core.memory.blobs import MemoryBlobs
from infrastructure.blobs.clients import PIECE

ODD_NAMES = [
    "with space.tif",
    " leading and trailing ",
    "ünïcode/日本/😀.tif",
    "e\u0301 is not \u00e9",
    "hash#1",
    "question?a=1&b=2",
    "percent%20encoded",
    "half%",
    "plus+semi;comma,'\"quotes",
    "double//slash",
    "ends.",
    "..dots../...",
    "folder/",
    "[brackets]{braces}*~",
    "x" * 1000,
]


def at_once(*calls):
    """Start all calls together; their results, or the errors they ended in."""
    start = Barrier(len(calls))

    def run(call):
        start.wait()
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def paths(page):
    return [blob.ref.path for blob in page.blobs]


def test_what_is_written_can_be_read(blobs: Blobs, ref):
    written = blobs.write(ref, b"elevation", content_type="image/tiff")

    assert blobs.read(ref) == b"elevation"
    assert blobs.info(ref) == written
    assert (written.size, written.content_type) == (9, "image/tiff")
    assert written.md5 == "8c6ac9887f33b5f79188a4eae7fb2803"
    assert datetime.now(UTC) - written.modified < timedelta(minutes=1)


def test_a_listing_tells_the_same_as_the_blob_itself(blobs: Blobs, ref):
    blobs.write(ref, io.BytesIO(b"elevation"), content_type="image/tiff")

    assert blobs.list(ref.zone, ref.container).blobs == [blobs.info(ref)]


def test_an_empty_blob_is_a_blob(blobs: Blobs, ref):
    assert blobs.write(ref, b"").size == 0
    assert blobs.read(ref) == b""
    assert list(blobs.chunks(ref)) == []
    with blobs.local(ref) as file:
        assert file.read_bytes() == b""


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 3, b"012"),
        (7, None, b"789"),
        (8, 50, b"89"),
        (4, 0, b""),
        (10, 1, b""),
        (99, None, b""),
    ],
)
def test_a_range_is_read_like_a_file(blobs: Blobs, ref, start, length, expected):
    blobs.write(ref, b"0123456789")

    assert blobs.read(ref, start, length) == expected


def test_a_negative_range_is_refused(blobs: Blobs, ref):
    with pytest.raises(BadInput, match="count bytes from 0"):
        blobs.read(ref, start=-1)


def test_a_blob_of_several_requests_is_whole_however_it_is_read(blobs: Blobs, ref):
    data = bytes(range(256)) * (2 * PIECE // 256) + b"the rest"
    written = blobs.write(ref, io.BytesIO(data))

    assert written == blobs.info(ref)
    assert blobs.read(ref) == data
    assert blobs.read(ref, PIECE - 5, PIECE + 10) == data[PIECE - 5 : 2 * PIECE + 5]
    assert b"".join(blobs.chunks(ref)) == data
    with blobs.local(ref) as file:
        assert file.read_bytes() == data


def test_a_local_copy_keeps_its_ending_and_goes_away(blobs: Blobs, ref):
    blobs.write(ref, b"elevation")

    with blobs.local(ref) as file:
        assert file.suffix == ".tif"
    assert not file.exists()
    assert not file.parent.exists()


def test_only_one_of_many_writers_creates_a_blob(blobs: Blobs, ref):
    outcomes = at_once(
        *(lambda n=n: blobs.write(ref, b"%d" % n, only_if_new=True) for n in range(8))
    )

    [winner] = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, BlobChanged)]
    assert blobs.info(ref) == outcomes[winner]
    assert blobs.read(ref) == b"%d" % winner


def test_only_one_of_many_writers_replaces_the_blob_all_have_seen(blobs: Blobs, ref):
    seen = blobs.write(ref, b"before").etag

    outcomes = at_once(*(lambda n=n: blobs.write(ref, b"%d" % n, if_etag=seen) for n in range(8)))

    [winner] = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, BlobChanged)]
    assert blobs.read(ref) == b"%d" % winner


def test_the_race_is_lost_by_many_when_memory_has_no_lock(ref, monkeypatch):
    """What the two tests above would see in a store that checks first and writes later."""
    blobs = MemoryBlobs()
    together = Barrier(2)
    check = blobs._check
    blobs._lock = nullcontext()
    monkeypatch.setattr(blobs, "_check", lambda *seen: (check(*seen), together.wait()))

    outcomes = at_once(*[lambda: blobs.write(ref, b"mine", only_if_new=True)] * 2)

    assert not any(isinstance(outcome, BlobChanged) for outcome in outcomes)


def test_a_stale_etag_writes_and_deletes_nothing(blobs: Blobs, ref):
    """R74: an unpublish of the old version must not take the new one."""
    old = blobs.write(ref, b"old").etag
    new = blobs.write(ref, b"new", if_etag=f'"{old}"').etag

    for stale in (b"stale", bytes(PIECE + 1)):
        with pytest.raises(BlobChanged):
            blobs.write(ref, stale, if_etag=old)
        with pytest.raises(BlobChanged):
            blobs.write(ref, stale, only_if_new=True)
    with pytest.raises(BlobChanged):
        blobs.delete(ref, if_etag=old)
    assert blobs.read(ref) == b"new"
    assert blobs.delete(ref, if_etag=new)


def test_an_etag_fits_no_blob_that_is_not_there(blobs: Blobs, ref):
    with pytest.raises(BlobChanged):
        blobs.write(ref, b"x", if_etag="0x1")


def test_a_write_is_new_or_a_replacement_not_both(blobs: Blobs, ref):
    with pytest.raises(BadInput, match="either"):
        blobs.write(ref, b"x", only_if_new=True, if_etag="0x1")


def test_a_staged_blob_shows_only_after_its_promotion(blobs: Blobs, ref):
    """R75: half an upload is never visible under the final name."""
    staged = blobs.staged(ref, "task-7.1")
    written = blobs.write(staged, b"elevation", content_type="image/tiff")
    assert paths(blobs.list(ref.zone, ref.container)) == []
    with pytest.raises(BlobNotFound):
        blobs.info(ref)

    promoted = blobs.promote(staged, ref)

    assert promoted == blobs.info(ref)
    assert (promoted.size, promoted.md5) == (written.size, written.md5)
    assert promoted.content_type == "image/tiff"
    assert paths(blobs.list(ref.zone, ref.container, "_staged/")) == []


def test_staged_names_differ_by_token_only(blobs: Blobs, ref):
    assert blobs.staged(ref, "a.1") == blobs.staged(ref, "a.1") != blobs.staged(ref, "a.2")


@pytest.mark.parametrize("only_if_new", [True, False])
def test_a_second_promotion_changes_nothing(blobs: Blobs, ref, only_if_new):
    """Fault 4: killed after the promotion, before it was recorded."""
    staged = blobs.staged(ref, "a.1")
    blobs.write(staged, b"elevation")
    first = blobs.promote(staged, ref, only_if_new=only_if_new)

    assert blobs.promote(staged, ref, only_if_new=only_if_new) == first


@pytest.mark.parametrize("only_if_new", [True, False])
def test_a_promotion_cut_between_copy_and_delete_is_finished_later(blobs: Blobs, ref, only_if_new):
    """Fault 4: both names exist, the staged one is dropped, the final one is not written again."""
    staged = blobs.staged(ref, "a.1")
    blobs.write(staged, b"elevation")
    first = blobs.promote(staged, ref, only_if_new=only_if_new)
    blobs.write(staged, b"elevation")

    assert blobs.promote(staged, ref, only_if_new=only_if_new) == first
    assert paths(blobs.list(ref.zone, ref.container, "_staged/")) == []


def test_a_zombie_cannot_replace_what_its_successor_promoted(blobs: Blobs, ref):
    """Fault 40: the first attempt slept through its lease and wakes up after the second is done."""
    zombie, successor = blobs.staged(ref, "a.1"), blobs.staged(ref, "a.2")
    blobs.write(zombie, b"late")
    blobs.write(successor, b"good")
    blobs.promote(successor, ref, only_if_new=True)

    with pytest.raises(BlobChanged, match="another writer's"):
        blobs.promote(zombie, ref, only_if_new=True)
    assert blobs.read(ref) == b"good"


def test_a_successor_with_equal_content_takes_what_is_there(blobs: Blobs, ref):
    """Fault 4: the first attempt died after its promotion; the second made the same bytes."""
    first, second = blobs.staged(ref, "a.1"), blobs.staged(ref, "a.2")
    blobs.write(first, b"same")
    blobs.write(second, b"same")
    promoted = blobs.promote(first, ref, only_if_new=True)

    assert blobs.promote(second, ref, only_if_new=True) == promoted
    assert blobs.promote(second, ref, only_if_new=True) == promoted


def test_a_promotion_without_condition_replaces(blobs: Blobs, ref):
    blobs.write(ref, b"old")
    blobs.write(blobs.staged(ref, "a.1"), b"new")

    blobs.promote(blobs.staged(ref, "a.1"), ref)

    assert blobs.read(ref) == b"new"


def test_only_one_of_many_promotions_to_a_new_name_wins(blobs: Blobs, ref):
    for n in range(8):
        blobs.write(blobs.staged(ref, f"a.{n}"), b"%d" % n)

    outcomes = at_once(
        *(
            lambda n=n: blobs.promote(blobs.staged(ref, f"a.{n}"), ref, only_if_new=True)
            for n in range(8)
        )
    )

    [winner] = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, BlobChanged)]
    assert blobs.read(ref) == b"%d" % winner


def test_a_promotion_of_nothing_is_an_error(blobs: Blobs, ref):
    blobs.write(blobs.staged(ref, "other"), b"x")
    with pytest.raises(BlobNotFound, match=r"_staged/a\.1"):
        blobs.promote(blobs.staged(ref, "a.1"), ref)

    blobs.write(ref, b"someone else's")
    with pytest.raises(BlobChanged, match="is gone"):
        blobs.promote(blobs.staged(ref, "a.1"), ref)


def test_only_a_staged_blob_of_the_same_container_is_promoted(blobs: Blobs, ref):
    elsewhere = BlobRef.of(Zone.GOLD, ref.container, ref.path)
    for wrong in (ref, blobs.staged(elsewhere, "a.1")):
        with pytest.raises(BadInput, match=r"staged\(\)"):
            blobs.promote(wrong, ref)


def test_odd_names_survive_every_verb(blobs: Blobs, container):
    """R78: spaces, unicode, # ? %, a trailing slash."""
    refs = [BlobRef.of(Zone.BRONZE, container, name) for name in ODD_NAMES]
    for ref in refs:
        staged = blobs.staged(ref, "a.1") if len(ref.path) < 1000 else ref
        blobs.write(staged, ref.encode())
        if staged != ref:
            blobs.promote(staged, ref)

    assert sorted(paths(blobs.list(Zone.BRONZE, container))) == sorted(ODD_NAMES)
    for ref in refs:
        assert blobs.read(ref) == ref.encode()
        assert paths(blobs.list(Zone.BRONZE, container, ref.path)) == [ref.path]
        with blobs.local(ref) as file:
            assert file.read_bytes() == ref.encode()
        assert blobs.delete(ref)
        assert not blobs.delete(ref)
    assert paths(blobs.list(Zone.BRONZE, container)) == []


def test_a_folder_marker_is_a_blob_beside_its_folder(blobs: Blobs, container):
    """R78: other tools leave an empty blob where they think a folder is."""
    names = ["folder", "folder/", "folder/file"]
    for name in names:
        blobs.write(BlobRef.of(Zone.BRONZE, container, name), name.encode())

    assert paths(blobs.list(Zone.BRONZE, container)) == names
    assert blobs.read(BlobRef.of(Zone.BRONZE, container, "folder/")) == b"folder/"


def test_pages_follow_each_other_without_gap_or_repeat(blobs: Blobs, container):
    names = [f"a/{n}" for n in range(5)] + [f"b/{n}" for n in range(7)]
    for name in names:
        blobs.write(BlobRef.of(Zone.BRONZE, container, name), b"")

    first = blobs.list(Zone.BRONZE, container, "b/", limit=3)
    second = blobs.list(Zone.BRONZE, container, "b/", after=first.next, limit=3)
    third = blobs.list(Zone.BRONZE, container, "b/", after=second.next, limit=3)

    assert [len(page.blobs) for page in (first, second, third)] == [3, 3, 1]
    assert paths(first) + paths(second) + paths(third) == names[5:]
    assert third.next is None


def test_a_page_of_hidden_blobs_is_passed_over(blobs: Blobs, container):
    shown = BlobRef.of(Zone.BRONZE, container, "shown")
    for n in range(4):
        blobs.write(blobs.staged(shown, f"a.{n}"), b"")
    blobs.write(shown, b"")

    assert paths(blobs.list(Zone.BRONZE, container, limit=2)) == ["shown"]


def test_a_page_holds_at_least_one(blobs: Blobs, container):
    with pytest.raises(BadInput, match="at least 1"):
        blobs.list(Zone.BRONZE, container, limit=0)


def test_what_is_not_there_is_said_to_be_not_there(blobs: Blobs, ref, container):
    missing = BlobRef.of(Zone.SILVER, container, "missing")
    for _ in ("no container", "no blob"):
        for ask in (blobs.info, blobs.read, lambda r: list(blobs.chunks(r))):
            with pytest.raises(BlobNotFound, match="There is no silver/"):
                ask(missing)
        with pytest.raises(BlobNotFound), blobs.local(missing):
            pass
        with pytest.raises(BlobNotFound):
            blobs.read(missing, 0, 0)
        assert not blobs.delete(missing)
        blobs.write(ref, b"now the container exists")


def test_a_container_that_is_not_there_is_no_empty_container(blobs: Blobs, container):
    with pytest.raises(BlobNotFound, match=f"no container {container} in zone gold"):
        blobs.list(Zone.GOLD, container)


def test_a_container_belongs_to_its_zone(blobs: Blobs, container):
    blobs.write(BlobRef.of(Zone.GOLD, container, "x"), b"gold")
    blobs.write(BlobRef.of(Zone.BRONZE, container, "x"), b"bronze")

    assert container in blobs.containers(Zone.GOLD)
    assert container not in blobs.containers(Zone.SILVER)
    assert blobs.read(BlobRef.of(Zone.GOLD, container, "x")) == b"gold"


def test_a_link_must_last(blobs: Blobs, ref):
    with pytest.raises(BadInput, match="last some time"):
        blobs.link(ref, timedelta(0))
    assert blobs.link(ref, timedelta(minutes=1)) != blobs.link(ref, timedelta(minutes=9))


def test_a_name_of_the_greatest_length_is_staged_and_promoted(blobs: Blobs, container):
    """R78: 1,024 characters, and characters that take nine when they are quoted."""
    for path in ("x" * 1024, "日本" * 300 + ".tif"):
        ref = BlobRef.of(Zone.BRONZE, container, path)
        staged = blobs.staged(ref, "a.1")
        blobs.write(staged, b"elevation")

        assert blobs.promote(staged, ref, only_if_new=True).ref == ref
        assert blobs.read(ref) == b"elevation"
        assert blobs.staged(ref, "a.2") != staged


def test_links_for_different_uses_differ(blobs: Blobs, ref):
    minute = timedelta(minutes=1)
    uses = ({}, {"to_save": True}, {"write": True}, {"write": True, "only_if_new": True})
    assert len({blobs.link(ref, minute, **use) for use in uses}) == 4


@pytest.mark.parametrize("letter", ["\0", "\x01", "\x1f", "\ufffe", "\ud800"])
def test_names_that_no_listing_could_hold_are_refused_before_storage_is_asked(
    blobs: Blobs, ref, letter
):
    """Storage answers a listing of such names with an error of its own, as if it were broken."""
    with pytest.raises(BadInput, match="no name of a blob may hold"):
        blobs.list(ref.zone, ref.container, f"maps{letter}")
    with pytest.raises(BadInput, match="no name of a blob may hold"):
        blobs.list(ref.zone, ref.container, after=f"maps{letter}")
    with pytest.raises(BadInput, match="no name of a blob may hold"):
        blobs.folder(ref.zone, ref.container, after=f"maps{letter}")
    with pytest.raises(BadInput, match="no name of a blob may hold"):
        BlobRef.of(ref.zone, ref.container, f"maps{letter}.tif")


# folders


def test_a_folder_shows_what_lies_right_in_it(blobs: Blobs, container):
    for path in ("a.tif", "b/1.tif", "b/2.tif", "b/c/3.tif", "d/4.tif", "b.tif", "_staged/x/y"):
        blobs.write(BlobRef.of(Zone.BRONZE, container, path), b"1")

    def told(prefix: str) -> tuple[list[str], list[str]]:
        folder = blobs.folder(Zone.BRONZE, container, prefix)
        return folder.folders, [blob.ref.path for blob in folder.blobs]

    assert told("") == (["b/", "d/"], ["a.tif", "b.tif"])
    assert told("b/") == (["b/c/"], ["b/1.tif", "b/2.tif"])
    assert told("b") == (["b/"], ["b.tif"])
    blobs.write(BlobRef.of(Zone.BRONZE, container, "d/"), b"")
    assert told("d/") == ([], ["d/", "d/4.tif"])
    assert told("nothing/") == ([], [])


def test_a_folder_comes_page_by_page_and_nothing_twice(blobs: Blobs, container):
    paths = [f"{n:02}.tif" for n in range(7)] + [f"{n:02}/{m}" for n in range(5) for m in range(3)]
    for path in paths:
        blobs.write(BlobRef.of(Zone.BRONZE, container, path), b"1")
    seen: list[str] = []
    after: str | None = None
    while True:
        page = blobs.folder(Zone.BRONZE, container, "", after, 4)
        seen += [*page.folders, *(blob.ref.path for blob in page.blobs)]
        after = page.next
        if after is None:
            break
    assert sorted(seen) == sorted(
        [f"{n:02}.tif" for n in range(7)] + [f"{n:02}/" for n in range(5)]
    )


def test_a_folder_of_a_container_that_is_not_there_is_not_found(blobs: Blobs):
    with pytest.raises(BlobNotFound):
        blobs.folder(Zone.BRONZE, "nowhere-at-all")
    with pytest.raises(BadInput):
        blobs.folder(Zone.BRONZE, "nowhere-at-all", limit=0)

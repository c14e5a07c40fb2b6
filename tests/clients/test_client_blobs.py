"""Blobs through the client, over a real Azurite: pieces and ranges, broken off and gone on with."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from coremachine_client import Client, Conflict, DownloadDiffers, NoBlobName, NotFound
from coremachine_client.uploads import UPLOADS
from tests.clients.lines import Line

PIECE = 8 * 1024 * 1024
BIG = b"elevation" * (2 * PIECE // 9)  # two pieces, the second not full


@pytest.fixture
def place() -> str:
    return f"bronze/t{uuid4().hex}"


def second_piece_lost(request: httpx.Request) -> None:
    if request.method == "PUT" and request.url.path.endswith("/1"):
        raise httpx.WriteError("the line broke", request=request)


@pytest.fixture
def broken(system: str) -> Iterator[Client]:
    """Its second piece never arrives."""
    with Client(system, retries=1, backoff=0.01, through=Line(*[second_piece_lost] * 9)) as client:
        yield client


def test_a_blob_goes_there_and_back(client: Client, place: str, tmp_path: Path) -> None:
    moved: list[tuple[int, int]] = []
    sent = client.blobs.put(BIG, f"{place}/ünï #1.bin", progress=lambda *at: moved.append(at))
    assert (sent.ref, sent.size) == (f"{place}/ünï #1.bin", len(BIG))
    assert moved[-1] == (len(BIG), len(BIG))
    got = client.blobs.get(sent.ref, tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == BIG
    assert got.size == len(BIG)
    assert [file.name for file in tmp_path.iterdir()] == ["back.bin"]
    assert client.blobs.read(sent.ref) == BIG


def test_an_empty_file_is_a_blob_too(client: Client, place: str, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    client.blobs.put(tmp_path / "empty", f"{place}/empty")
    client.blobs.get(f"{place}/empty", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b""


def test_an_upload_goes_on_in_another_process(
    system: str, broken: Client, place: str, tmp_path: Path
) -> None:
    file = tmp_path / "big.bin"
    file.write_bytes(BIG)
    begun: list[str] = []
    with pytest.raises(Exception, match="the line broke"):
        broken.blobs.put(file, f"{place}/big.bin", began=begun.append)
    with pytest.raises(NotFound):
        broken.blobs.info(f"{place}/big.bin")
    line = Line()
    with Client(system, through=line) as later:
        later.blobs.put(file, f"{place}/big.bin", resume=begun[0])
        assert [what for what in line.passed if what.startswith("PUT")] == [
            f"PUT {UPLOADS}/{begun[0]}/1"
        ]
        assert hashlib.sha256(later.blobs.read(f"{place}/big.bin")).digest() == (
            hashlib.sha256(BIG).digest()
        )


def test_an_upload_that_is_unknown_begins_anew(client: Client, place: str) -> None:
    begun: list[str] = []
    client.blobs.put(b"x", f"{place}/x", resume="eyJy", began=begun.append)
    assert len(begun) == 1
    assert client.blobs.read(f"{place}/x") == b"x"


def test_a_resumed_upload_of_other_content_is_refused(broken: Client, place: str) -> None:
    """Its first piece has arrived already, and is that of another file."""
    begun: list[str] = []
    with pytest.raises(Exception, match="the line broke"):
        broken.blobs.put(BIG, f"{place}/big.bin", began=begun.append)
    other = b"E" + BIG[1:]
    with Client(broken.transport.server) as client, pytest.raises(Exception, match="sha256"):
        client.blobs.put(other, f"{place}/big.bin", resume=begun[0])


def test_a_blob_is_replaced_on_demand_only(client: Client, place: str) -> None:
    client.blobs.put(b"one", f"{place}/a")
    with pytest.raises(Conflict):
        client.blobs.put(b"two", f"{place}/a")
    client.blobs.put(b"two", f"{place}/a", overwrite=True)
    assert client.blobs.read(f"{place}/a") == b"two"


def test_a_download_goes_on_where_it_ended(client: Client, place: str, tmp_path: Path) -> None:
    client.blobs.put(BIG, f"{place}/big.bin")
    target = tmp_path / "big.bin"

    def interrupt(there: int, size: int) -> None:
        if there >= PIECE:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.blobs.get(f"{place}/big.bin", target, progress=interrupt)
    assert not target.exists()
    seen: list[int] = []
    client.blobs.get(f"{place}/big.bin", target, progress=lambda there, size: seen.append(there))
    assert seen[0] >= PIECE
    assert target.read_bytes() == BIG


def test_a_broken_line_is_taken_up_within_a_download(
    client: Client, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.blobs.put(BIG, f"{place}/big.bin")
    breaks = iter([True, True, False])

    def now_and_then(there: int, size: int) -> None:
        if there and next(breaks, False):
            raise httpx.ReadError("the line broke")

    client.blobs.get(f"{place}/big.bin", tmp_path / "big.bin", progress=now_and_then)
    assert (tmp_path / "big.bin").read_bytes() == BIG


def test_a_blob_that_changes_meanwhile_is_not_mixed(
    client: Client, place: str, tmp_path: Path
) -> None:
    client.blobs.put(BIG, f"{place}/big.bin")

    def change(there: int, size: int) -> None:
        if there == 0:
            client.blobs.put(BIG[::-1], f"{place}/big.bin", overwrite=True)

    with pytest.raises(DownloadDiffers, match="was changed meanwhile"):
        client.blobs.get(f"{place}/big.bin", tmp_path / "big.bin", progress=change)
    assert list(tmp_path.iterdir()) == []


def test_no_key_travels_to_storage(
    system: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signed link goes to another host: what lets callers in here is no business of it."""
    with Client(system, api_key="cm_secret", token="secret") as client:
        client.blobs.put(b"x", f"{place}/x")
        told: list[httpx.Headers] = []
        client.transport.outside.event_hooks = {"request": [lambda r: told.append(r.headers)]}
        assert client.blobs.read(f"{place}/x") == b"x"
    assert told
    assert not {"x-api-key", "authorization"} & set(told[0])


def test_blobs_are_listed_page_by_page(client: Client, place: str) -> None:
    for name in ("a/1.tif", "a/2.txt", "b/3.tif"):
        client.blobs.put(b"x", f"{place}/{name}")
    listed = list(client.blobs.ls(place, page_size=1))
    assert [(blob.name, blob.size) for blob in listed] == [
        ("a/1.tif", 1),
        ("a/2.txt", 1),
        ("b/3.tif", 1),
    ]
    assert [blob.name for blob in client.blobs.ls(f"{place}/a/", suffix=".tif")] == ["a/1.tif"]
    container = place.partition("/")[2]
    assert container in [each.container for each in client.blobs.containers("bronze")]


def test_what_names_no_blob_is_refused_before_it_is_sent(client: Client) -> None:
    with pytest.raises(NoBlobName):
        client.blobs.info("bronze")

"""Uploads over HTTP: forms that pass through, pieces that any instance takes, and what is refused."""

import hashlib
import socket
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import httpx
import pytest

from core.blobs import BlobRef, Zone
from core.memory.blobs import MemoryBlobs
from infrastructure.blobs.azure import AzureBlobs
from services.storage.uploads import PIECE, Rules, Upload
from tests.http.storage_house import storage_client
from tests.http.test_http_problems import check_envelope
from tests.store.blob_memory import peak_growth

UPLOAD = "/api/storage/upload"
UPLOADS = "/api/storage/uploads"
BOUNDARY = "b0undary"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def send(client: httpx.Client, container: str, data: bytes, **fields: str) -> httpx.Response:
    form = {"container": f"bronze-{container}", "path": "dem.tif", **fields}
    return client.post(UPLOAD, data=form, files={"file": ("local name.tif", data)})


def md5(data: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)


def field(name: str, value: str) -> str:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


def file(name: str = "x.bin") -> str:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'


END = f"\r\n--{BOUNDARY}--\r\n"


def left(blobs: AzureBlobs, container: str) -> list[str]:
    """Every name in the container, staged ones too."""
    listed = blobs.list(Zone.BRONZE, container).blobs
    return [b.ref.path for b in [*listed, *blobs.list(Zone.BRONZE, container, "_staged/").blobs]]


# in one go


def test_a_form_becomes_a_blob(storage: httpx.Client, stored: AzureBlobs, container: str) -> None:
    """R75: nothing stays under a temporary name."""
    told = md5(b"elevation").hexdigest()
    answer = send(storage, container, b"elevation", md5=told.upper(), size="9")
    assert answer.status_code == 201
    info = answer.json()
    assert (info["ref"], info["size"], info["md5"]) == (f"bronze/{container}/dem.tif", 9, told)
    assert info["content_type"] == "image/tiff"
    assert stored.read(BlobRef(info["ref"])) == b"elevation"
    assert left(stored, container) == ["dem.tif"]


def test_the_name_of_the_file_serves_where_no_path_is_given(
    storage: httpx.Client, container: str
) -> None:
    form = {"container": container, "zone": "bronze"}
    answer = storage.post(UPLOAD, data=form, files={"file": ("ünï #1.html", b"<p>", "text/html")})
    assert answer.json()["ref"] == f"bronze/{container}/ünï #1.html"
    assert answer.json()["content_type"] == "text/html"


def test_an_existing_blob_is_replaced_on_demand_only(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    ref = BlobRef.of(Zone.BRONZE, container, "dem.tif")
    assert send(storage, container, b"old").status_code == 201
    refused = send(storage, container, b"new" * PIECE)
    assert (refused.status_code, check_envelope(refused)["code"]) == (409, "blob_exists")
    assert stored.read(ref) == b"old"
    assert send(storage, container, b"new", overwrite="true").status_code == 201
    assert stored.read(ref) == b"new"
    assert left(stored, container) == ["dem.tif"]


@pytest.mark.parametrize("fields", [{"size": "4"}, {"md5": "0" * 32}])
def test_content_that_is_not_what_was_promised_is_thrown_away(
    storage: httpx.Client, stored: AzureBlobs, container: str, fields: dict[str, str]
) -> None:
    """R75."""
    answer = send(storage, container, b"cut", **fields)
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "content_differs")
    assert left(stored, container) == []


def test_a_large_form_passes_through_little_memory_and_no_disk(
    stored: AzureBlobs, storage: httpx.Client, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(storage, container, bytes(3 * PIECE), path="warm")  # what every process needs once
    monkeypatch.setattr("tempfile.NamedTemporaryFile", None)
    monkeypatch.setattr("tempfile.TemporaryFile", None)
    piece, count = bytes(range(256)) * 4096, 120

    def body() -> Iterator[bytes]:
        yield (field("container", f"bronze-{container}") + file("big.bin")).encode()
        yield from repeat(piece, count)
        yield END.encode()

    answers: list[httpx.Response] = []
    growth = peak_growth(lambda: answers.append(storage.post(UPLOAD, content=body(), headers=FORM)))
    info = answers[0].json()
    assert info["size"] == len(piece) * count
    digest = md5()
    for _ in range(count):
        digest.update(piece)
    assert info["md5"] == digest.hexdigest()
    assert growth < 90_000_000, growth


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (field("container", "bronze-abc") + file() + "cut", "ends before"),
        (field("container", "bronze-abc") + END, "no part 'file'"),
        (file() + "data\r\n" + field("container", "bronze-abc") + END, "before the file"),
        ("nonsense", "no multipart form"),
        ("", "ends before"),
        (field("container", "x" * 70_000) + file() + END, "longer than"),
    ],
)
def test_a_broken_form_is_refused_with_what_is_wrong(
    storage: httpx.Client, body: str, word: str
) -> None:
    answer = storage.post(UPLOAD, content=body.encode(), headers=FORM)
    assert answer.status_code == 400
    assert word in check_envelope(answer)["detail"]


def test_what_is_no_form_is_refused(storage: httpx.Client) -> None:
    for headers in ({}, {"Content-Type": "multipart/form-data"}, {"Content-Type": "text/plain"}):
        answer = storage.post(UPLOAD, content=b"x", headers=headers)
        assert (answer.status_code, check_envelope(answer)["code"]) == (400, "malformed_body")


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({}, 422, "invalid_parameters"),
        ({"container": "bronze-abc", "colour": "red"}, 422, "invalid_parameters"),
        ({"container": "bronze-abc", "md5": "short"}, 422, "invalid_parameters"),
        ({"container": "bronze-abc", "content_type": "x\ry"}, 422, "invalid_parameters"),
        ({"container": "abc"}, 422, "bad_input"),
        ({"container": "silver-abc"}, 422, "bad_input"),
        ({"container": "bronze-abc", "path": "../../x"}, 422, "bad_input"),
        ({"container": "bronze-abc", "path": "_staged/x"}, 422, "bad_input"),
        ({"container": "bronze-abc", "size": "99999999999999999"}, 422, "bad_input"),
    ],
)
def test_a_form_with_wrong_fields_is_refused(
    storage: httpx.Client, form: dict[str, str], status: int, code: str
) -> None:
    """R126: a name that climbs, a place that takes no uploads."""
    answer = storage.post(UPLOAD, data=form, files={"file": ("x", b"data")})
    assert (answer.status_code, check_envelope(answer)["code"]) == (status, code)


def test_a_sender_who_hangs_up_leaves_nothing_behind(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    """R75: half an upload is never visible."""
    send(storage, container, b"first", path="other")
    start = (field("container", f"bronze-{container}") + file()).encode() + bytes(2 * PIECE)
    with socket.create_connection((storage.base_url.host, storage.base_url.port)) as line:
        head = (
            f"POST {UPLOAD} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM['Content-Type']}\r\n"
        )
        line.sendall(f"{head}Content-Length: {4 * PIECE}\r\n\r\n".encode() + start)
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1) == b"", "the server has seen it and closed"
    assert left(stored, container) == ["other"]


def test_a_form_has_a_limit_of_its_own() -> None:
    """The usual one of 1 MiB stays for everything else."""
    with storage_client(MemoryBlobs(), uploads=Rules(largest=3_000_000)) as client:
        assert send(client, "abc", bytes(2_900_000)).status_code == 201
        for size in (3_200_000, 30_000_000):
            answer = send(client, "abc", bytes(size), path="large")
            assert (answer.status_code, check_envelope(answer)["code"]) == (413, "body_too_large")
            assert UPLOADS in answer.json()["detail"]
        answer = client.post("/api/storage/links", content=bytes(2_000_000))
        assert answer.status_code == 413


# in pieces


def begin(client: httpx.Client, container: str, size: int, **more: object) -> dict:
    order = {"ref": f"bronze/{container}/big #1.tif", "size": size, **more}
    answer = client.post(UPLOADS, json=order)
    assert answer.status_code == 201, answer.text
    return answer.json()


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def piece_of(data: bytes, number: int) -> bytes:
    return data[number * PIECE : (number + 1) * PIECE]


def test_pieces_arrive_in_any_order_at_any_instance(
    storage: httpx.Client, stored: AzureBlobs, container: str, azurite: str
) -> None:
    """R75: the blob shows once it is complete, and asking again gives the same answer."""
    data = content(2 * PIECE + 5)
    upload = begin(storage, container, len(data))
    assert (upload["piece_size"], upload["count"], upload["there"]) == (PIECE, 3, [])
    here = f"{UPLOADS}/{upload['id']}"
    another = AzureBlobs(azurite, retries=0)
    with storage_client(another) as other:
        for client, number in ((other, 2), (storage, 0), (storage, 0)):
            put = client.put(f"{here}/{number}", content=piece_of(data, number))
            assert put.status_code == 204, put.text
        assert other.get(here).json()["there"] == [0, 2]
        early = storage.post(f"{here}/complete")
        assert (early.status_code, check_envelope(early)["code"]) == (409, "conflict")
        assert "first 1" in early.json()["detail"]
        digest = b64encode(md5(piece_of(data, 1)).digest()).decode()
        storage.put(f"{here}/1", content=piece_of(data, 1), headers={"Content-MD5": digest})
        assert left(stored, container) == []
        facts = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "md5": md5(data).hexdigest(),
        }
        done = other.post(f"{here}/complete", json=facts)
        assert done.status_code == 201, done.text
        assert storage.post(f"{here}/complete", json=facts).json() == done.json()
    another.close()
    assert (done.json()["size"], done.json()["md5"]) == (len(data), facts["md5"])
    assert done.json()["content_type"] == "image/tiff"
    assert stored.read(BlobRef(upload["ref"])) == data
    assert left(stored, container) == ["big #1.tif"]


@pytest.mark.parametrize("wrong", [{"md5": "0" * 32}, {"sha256": "0" * 64}])
def test_pieces_that_add_up_to_something_else_are_thrown_away(
    storage: httpx.Client, stored: AzureBlobs, container: str, wrong: dict[str, str]
) -> None:
    here = f"{UPLOADS}/{begin(storage, container, 4)['id']}"
    storage.put(f"{here}/0", content=b"good")
    answer = storage.post(f"{here}/complete", json=wrong)
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "content_differs")
    assert left(stored, container) == []
    assert storage.get(here).json()["there"] == []
    storage.put(f"{here}/0", content=b"good")
    assert storage.post(f"{here}/complete").status_code == 201


def test_a_dropped_upload_leaves_nothing(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    here = f"{UPLOADS}/{begin(storage, container, 4)['id']}"
    storage.put(f"{here}/0", content=b"good")
    assert storage.delete(here).status_code == 204
    assert storage.delete(here).status_code == 204
    assert storage.get(here).json()["there"] == []
    assert left(stored, container) == []
    assert storage.post(f"{here}/complete").status_code == 409


def test_two_uploads_to_one_name_do_not_mix_and_the_second_is_refused(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    one, two = (f"{UPLOADS}/{begin(storage, container, 3)['id']}" for _ in range(2))
    storage.put(f"{one}/0", content=b"one")
    storage.put(f"{two}/0", content=b"two")
    assert storage.post(f"{one}/complete").status_code == 201
    late = storage.post(f"{two}/complete")
    assert (late.status_code, check_envelope(late)["code"]) == (409, "blob_changed")
    assert stored.read(BlobRef.of(Zone.BRONZE, container, "big #1.tif")) == b"one"
    again = storage.post(UPLOADS, json={"ref": f"bronze/{container}/big #1.tif", "size": 3})
    assert check_envelope(again)["code"] == "blob_exists"
    replacing = f"{UPLOADS}/{begin(storage, container, 3, overwrite=True)['id']}"
    storage.put(f"{replacing}/0", content=b"new")
    assert storage.post(f"{replacing}/complete").status_code == 201
    assert stored.read(BlobRef.of(Zone.BRONZE, container, "big #1.tif")) == b"new"


def test_an_empty_blob_needs_no_piece(storage: httpx.Client, container: str) -> None:
    here = f"{UPLOADS}/{begin(storage, container, 0)['id']}"
    first = storage.post(f"{here}/complete")
    assert (first.status_code, first.json()["size"]) == (201, 0)
    assert storage.post(f"{here}/complete").json() == first.json()


@pytest.mark.parametrize(
    ("number", "data", "headers", "code"),
    [
        ("0", b"short", {}, "content_differs"),
        ("1", b"x", {}, "bad_input"),
        ("-1", b"x", {}, "bad_input"),
        ("0", b"right", {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "content_differs"),
        ("0", b"right", {"Content-MD5": "AAAA"}, "invalid_parameters"),
        ("0", b"right", {"Content-MD5": "???"}, "invalid_parameters"),
        ("x", b"right", {}, "invalid_parameters"),
    ],
)
def test_a_piece_that_cannot_be_right_is_refused(
    number: str, data: bytes, headers: dict[str, str], code: str
) -> None:
    with storage_client(MemoryBlobs()) as client:
        here = f"{UPLOADS}/{begin(client, 'abc', 6 if code == 'content_differs' else 5)['id']}"
        answer = client.put(f"{here}/{number}", content=data, headers=headers)
        assert (answer.status_code, check_envelope(answer)["code"]) == (422, code)


def test_an_id_that_is_not_ours_is_not_found_and_a_forged_one_gains_nothing() -> None:
    forged = Upload(ref=BlobRef("silver/coremachine/x"), size=1).id
    large = Upload(ref=BlobRef("bronze/abc/x"), size=6 * 1024**3).id
    with storage_client(MemoryBlobs()) as client:
        for wrong in ("x", "e30", "a" * 13_000, "%C3%BC", "bnVsbA"):
            answer = client.get(f"{UPLOADS}/{wrong}")
            assert (answer.status_code, check_envelope(answer)["code"]) == (404, "upload_not_found")
        for wrong in (forged, large):
            answer = client.put(f"{UPLOADS}/{wrong}/0", content=b"x")
            assert (answer.status_code, check_envelope(answer)["code"]) == (422, "bad_input")


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"ref": "x", "size": 1},
        {"ref": "bronze/abc/x", "size": -1},
        {"ref": "bronze/abc/x", "size": "1"},
        {"ref": "bronze/abc/x", "size": 1, "colour": "red"},
        {"ref": "bronze/abc/x", "size": 1, "content_type": "text/html\r\nX: y"},
        {"ref": "bronze/abc/x", "size": 6 * 1024**3},
        {"ref": "gold/abc/x", "size": 1},
    ],
)
def test_a_wrong_order_is_refused(order: dict[str, object]) -> None:
    with storage_client(MemoryBlobs()) as client:
        answer = client.post(UPLOADS, json=order)
        assert answer.status_code == 422
        check_envelope(answer)


def test_a_piece_has_a_limit_of_its_own(storage: httpx.Client, container: str) -> None:
    here = f"{UPLOADS}/{begin(storage, container, 2 * PIECE)['id']}"
    assert storage.put(f"{here}/0", content=bytes(PIECE)).status_code == 204
    answer = storage.put(f"{here}/1", content=bytes(PIECE + 1))
    assert (answer.status_code, check_envelope(answer)["code"]) == (413, "body_too_large")


def test_a_name_of_1024_characters_is_sent_in_pieces(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    """R78: its id stands in the address."""
    for name in ("x" * 1024, "日本/" * 300 + "x"):
        order = {"ref": f"bronze/{container}/{name}", "size": 4}
        here = f"{UPLOADS}/{storage.post(UPLOADS, json=order).json()['id']}"
        assert storage.put(f"{here}/0", content=b"good").status_code == 204
        assert storage.post(f"{here}/complete").status_code == 201
        assert stored.read(BlobRef(order["ref"])) == b"good"


def test_an_upload_whose_completion_was_cut_before_its_check_is_checked_later(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    """Fault 4: killed between the commit of the pieces and the look at their content."""
    upload = Upload(ref=BlobRef.of(Zone.BRONZE, container, "x"), size=4)
    stored.put_piece(upload.staged(stored), 0, b"evil")
    label = md5(b"good").hexdigest()
    stored.commit_pieces(upload.staged(stored), 1, content_type="text/plain", md5=label)
    answer = storage.post(f"{UPLOADS}/{upload.id}/complete")
    assert (answer.status_code, check_envelope(answer)["code"]) == (422, "content_differs")
    assert left(stored, container) == []


def test_an_upload_that_many_complete_at_once_is_complete_once(
    storage: httpx.Client, stored: AzureBlobs, container: str
) -> None:
    """R75: pieces side by side, and whoever completes first; nobody hears of a fault of ours."""
    data = content(3 * PIECE)
    here = f"{UPLOADS}/{begin(storage, container, len(data))['id']}"
    with ThreadPoolExecutor(4) as pool:
        put = pool.map(
            lambda n: storage.put(f"{here}/{n}", content=piece_of(data, n)).status_code, range(3)
        )
        assert list(put) == [204] * 3
        done = list(pool.map(lambda _: storage.post(f"{here}/complete"), range(4)))
    told = {answer.status_code for answer in done}
    assert 201 in told
    assert told <= {201, 409, 503}, "what is not complete may be asked for again"
    assert storage.post(f"{here}/complete").status_code == 201
    assert stored.read(BlobRef.of(Zone.BRONZE, container, "big #1.tif")) == data
    assert left(stored, container) == ["big #1.tif"]

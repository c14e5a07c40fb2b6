"""Blob storage that answers badly: busy, cut, damaged, half done."""

import re
import uuid
from datetime import timedelta

import pytest

from core.blobs import BlobRef, Zone
from core.errors import BlobChanged, BlobNotFound, ServiceUnavailable
from infrastructure.blobs import clients as blob_clients
from infrastructure.blobs import promotion as blob_promotion
from infrastructure.blobs.azure import AzureBlobs
from infrastructure.blobs.clients import PIECE
from tests.store.blob_proxy import PORT, Fault, Zeros, bad_server


@pytest.fixture
def blobs(azurite):
    store = AzureBlobs(azurite, retries=0)
    yield store
    store.close()


@pytest.fixture
def ref() -> BlobRef:
    return BlobRef.of(Zone.SILVER, f"t{uuid.uuid4().hex}", "dem/tile.tif")


@pytest.fixture
def proxy(azurite):
    with bad_server(int(PORT.search(azurite)[0])) as server:
        yield server


@pytest.fixture
def through_proxy(azurite, proxy, monkeypatch):
    """A store whose every request passes the proxy; it tries each request twice."""
    monkeypatch.setattr(blob_clients, "WAIT", 0)
    store = AzureBlobs(PORT.sub(str(proxy.server_port), azurite), retries=1)
    yield store
    store.close()


def test_trouble_that_passes_is_not_seen(through_proxy, proxy, ref):
    """Fault 36: one 503 is the adapter's own affair."""
    proxy.arm(Fault.BUSY, "PUT")
    proxy.arm(Fault.BUSY, "GET")

    through_proxy.write(ref, b"elevation")
    assert through_proxy.read(ref) == b"elevation"


def test_trouble_that_stays_is_worth_a_retry_later(through_proxy, proxy, ref):
    """Fault 36: 503 and a lost connection become the error that the machine retries."""
    through_proxy.write(ref, b"elevation")
    proxy.arm(Fault.BUSY, "GET", times=9)
    with pytest.raises(ServiceUnavailable, match=f"did not serve {ref}"):
        through_proxy.read(ref)
    proxy.arm(Fault.LOSE_ANSWER, "HEAD", times=9)
    with pytest.raises(ServiceUnavailable):
        through_proxy.info(ref)


def test_a_store_that_is_not_there_is_unavailable(ref):
    nobody = AzureBlobs(
        "AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:1/a", retries=0
    )

    with pytest.raises(ServiceUnavailable):
        nobody.write(ref, b"x")


def test_a_refused_key_is_unavailable_and_not_told(azurite, ref):
    """Fault 36: the signature or the identity is refused; nothing of the key shows."""
    wrong = AzureBlobs(re.sub(r"AccountKey=..", "AccountKey=xx", azurite), retries=0)

    with pytest.raises(ServiceUnavailable, match="AuthorizationFailure") as refused:
        wrong.info(ref)
    assert "xx" not in str(refused.value)


@pytest.mark.parametrize("how", ["read", "local"])
def test_a_short_read_is_never_taken_for_the_blob(through_proxy, proxy, ref, how):
    """Fault 36: the connection ends in the middle of a body."""
    through_proxy.write(ref, b"elevation" * 100)
    proxy.arm(Fault.CUT_BODY, "GET", times=99)

    with pytest.raises(ServiceUnavailable):
        take(through_proxy, ref, how)


def take(blobs, ref, how):
    match how:
        case "read":
            return blobs.read(ref)
        case "chunks":
            return b"".join(blobs.chunks(ref))
        case "local":
            with blobs.local(ref) as file:
                return file.read_bytes()


def test_damage_is_found_by_its_digest(azurite, blobs, ref, monkeypatch):
    """Fault 36: as many bytes as there should be, but not the right ones."""
    blobs.write(ref, b"elevation")
    whole = blobs._piece
    monkeypatch.setattr(
        blobs, "_piece", lambda *span: type(whole(*span))(b"elevatiom", 9, whole(*span).etag)
    )

    for how in ("chunks", "local"):
        with pytest.raises(ServiceUnavailable, match="damaged"):
            take(blobs, ref, how)


def test_a_blob_that_changes_while_it_is_read_is_not_mixed(blobs, ref):
    blobs.write(ref, bytes(3 * PIECE))
    chunks = blobs.chunks(ref)
    next(chunks)
    blobs.write(ref, b"x" * 3 * PIECE)

    with pytest.raises(BlobChanged):
        next(chunks)


@pytest.mark.parametrize("size", [9, PIECE + 1])
def test_a_conditional_write_whose_answer_got_lost_is_no_conflict(through_proxy, proxy, ref, size):
    """Fault 36: the retry meets the blob that the first try made, and knows it for its own."""
    through_proxy.write(BlobRef.of(ref.zone, ref.container, "other"), b"")
    proxy.arm(Fault.LOSE_ANSWER, "PUT", "comp=blocklist" if size > PIECE else ref.name)

    written = through_proxy.write(ref, bytes(size), only_if_new=True)

    assert written == through_proxy.info(ref)
    with pytest.raises(BlobChanged):
        through_proxy.write(ref, b"x", only_if_new=True)


def test_blocks_of_a_write_that_died_are_invisible(through_proxy, proxy, ref):
    """Fault 3: killed in the middle of an upload; the next writer takes the same name."""
    proxy.arm(Fault.BUSY, "PUT", "comp=blocklist", times=2)
    with pytest.raises(ServiceUnavailable):
        through_proxy.write(ref, Zeros(3 * PIECE))
    with pytest.raises(BlobNotFound):
        through_proxy.info(ref)

    assert through_proxy.write(ref, Zeros(2 * PIECE), only_if_new=True).size == 2 * PIECE
    assert through_proxy.read(ref) == bytes(2 * PIECE)


def test_a_promotion_survives_trouble_at_every_step(through_proxy, proxy, ref):
    """Fault 4: the copy's answer is lost, then its delete fails for good, then it is tried again."""
    staged = through_proxy.staged(ref, "a.1")
    through_proxy.write(staged, b"elevation")
    proxy.arm(Fault.LOSE_ANSWER, "PUT", "/dem/")
    proxy.arm(Fault.BUSY, "DELETE", times=2)
    with pytest.raises(ServiceUnavailable):
        through_proxy.promote(staged, ref, only_if_new=True)
    seen = through_proxy.info(ref)
    proxy.arm(Fault.LOSE_ANSWER, "DELETE")

    assert through_proxy.promote(staged, ref, only_if_new=True) == seen
    assert through_proxy.read(ref) == b"elevation"
    assert not through_proxy.delete(staged)


def test_a_copy_that_still_runs_is_waited_for_and_hidden(through_proxy, proxy, ref):
    """R75: Azure shows the name as soon as the copy begins."""
    staged = through_proxy.staged(ref, "a.1")
    through_proxy.write(staged, b"elevation")
    promoted = through_proxy.promote(staged, ref)
    through_proxy.write(staged, b"elevation")
    proxy.arm(Fault.COPY_PENDING, "HEAD", f"{ref.container}/dem/", times=2)
    proxy.arm(Fault.COPY_PENDING, "GET", f"{ref.container}/dem/")

    with pytest.raises(BlobNotFound):
        through_proxy.info(ref)
    with pytest.raises(BlobNotFound):
        through_proxy.read(ref)
    assert through_proxy.promote(staged, ref) == promoted


def test_a_copy_that_never_ends_is_unavailable(through_proxy, proxy, ref, monkeypatch):
    monkeypatch.setattr(blob_promotion, "PATIENCE", timedelta(0))
    through_proxy.write(ref, b"elevation")
    through_proxy.write(through_proxy.staged(ref, "a.1"), b"elevation")
    proxy.arm(Fault.COPY_PENDING, "HEAD", f"{ref.container}/dem/", times=9)

    with pytest.raises(ServiceUnavailable, match="promote it again"):
        through_proxy.promote(through_proxy.staged(ref, "a.1"), ref)


def test_the_remains_of_a_failed_copy_are_replaced(through_proxy, proxy, ref):
    """Fault 4: Azure leaves an empty blob behind; it neither counts nor stands in the way."""
    staged = through_proxy.staged(ref, "a.1")
    through_proxy.write(staged, b"elevation")
    through_proxy.write(ref, b"")
    proxy.arm(Fault.COPY_FAILED, "HEAD", f"{ref.container}/dem/")

    assert through_proxy.promote(staged, ref, only_if_new=True).size == 9
    assert through_proxy.read(ref) == b"elevation"

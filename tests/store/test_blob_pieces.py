"""Blobs that come in pieces: one contract, held by memory and by the SDK against Azurite."""

import hashlib

import pytest

from core.blobs import Blobs
from core.errors import BlobChanged, BlobNotFound
from infrastructure.blobs.azure import AzureBlobs
from tests.store.test_blobs import paths

MD5_OF_AAABBC = hashlib.md5(b"aaabbc", usedforsecurity=False).hexdigest()


def test_pieces_become_a_blob_whatever_their_order(blobs: Blobs, ref):
    """R75: a piece may be sent again, and no blob shows before all are committed."""
    for number, data in ((2, b"c"), (0, b"lost"), (1, b"bb"), (0, b"aaa")):
        blobs.put_piece(ref, number, data)
    assert blobs.pieces(ref) == {0: 3, 1: 2, 2: 1}
    assert paths(blobs.list(ref.zone, ref.container)) == []
    with pytest.raises(BlobNotFound):
        blobs.info(ref)

    made = blobs.commit_pieces(ref, 3, content_type="image/tiff", md5=MD5_OF_AAABBC)

    assert blobs.read(ref) == b"aaabbc"
    assert made == blobs.info(ref)
    assert (made.size, made.content_type, made.md5) == (6, "image/tiff", MD5_OF_AAABBC)
    assert blobs.pieces(ref) == {}


def test_pieces_of_one_instance_are_seen_by_another(azurite, ref):
    """Nothing about an upload is kept in a server's memory."""
    one, other = AzureBlobs(azurite, retries=0), AzureBlobs(azurite, retries=0)
    one.put_piece(ref, 0, b"from one, ")
    other.put_piece(ref, 1, b"from another")

    one.commit_pieces(ref, 2, content_type="text/plain")

    assert other.read(ref) == b"from one, from another"
    one.close()
    other.close()


def test_a_missing_piece_leaves_the_others_as_they_are(blobs: Blobs, ref):
    blobs.put_piece(ref, 1, b"b")

    with pytest.raises(BlobChanged):
        blobs.commit_pieces(ref, 2, content_type="text/plain")
    assert blobs.pieces(ref) == {1: 1}
    blobs.put_piece(ref, 0, b"a")
    assert blobs.commit_pieces(ref, 2, content_type="text/plain").md5 is None
    assert blobs.read(ref) == b"ab"


def test_a_blob_of_no_pieces_is_empty(blobs: Blobs, ref):
    assert blobs.pieces(ref) == {}
    assert blobs.commit_pieces(ref, 0, content_type="text/plain").size == 0


def test_dropped_pieces_leave_nothing_behind(blobs: Blobs, ref):
    blobs.drop_pieces(ref)
    blobs.put_piece(ref, 0, b"a")

    blobs.drop_pieces(ref)
    blobs.drop_pieces(ref)

    assert blobs.pieces(ref) == {}
    assert paths(blobs.list(ref.zone, ref.container)) == []


def test_a_committed_blob_is_promoted_like_any_other(blobs: Blobs, ref):
    staged = blobs.staged(ref, "u.1")
    blobs.put_piece(staged, 0, b"elevation")
    blobs.commit_pieces(staged, 1, content_type="image/tiff")

    promoted = blobs.promote(staged, ref, only_if_new=True)

    assert (promoted.size, promoted.content_type) == (9, "image/tiff")
    assert blobs.promote(staged, ref, only_if_new=True) == promoted

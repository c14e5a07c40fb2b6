"""What only the Azure adapter has: its clients, its wire, its signatures and its faults."""

import json
import logging
import multiprocessing
import re
import subprocess
import sys
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests
from azure.storage.blob import BlobServiceClient, generate_container_sas

from core.blobs import BlobRef, Zone
from core.errors import BadInput, Conflict, ServiceUnavailable
from infrastructure.blobs import clients as blob_clients
from infrastructure.blobs.azure import AzureBlobs
from infrastructure.blobs.clients import Account
from tests.store import blob_memory
from tests.store.blob_proxy import PORT
from tests.support.waiting import eventually

MB = 1_000_000
ROOT = Path(__file__).parents[2]


@pytest.fixture
def blobs(azurite):
    store = AzureBlobs(azurite, retries=0)
    yield store
    store.close()


@pytest.fixture
def ref() -> BlobRef:
    return BlobRef.of(Zone.SILVER, f"t{uuid.uuid4().hex}", "dem/tile.tif")


@pytest.fixture
def opened(monkeypatch):
    """How often each account was opened. Opening waits a moment for a second thread to try the same."""
    seen, second = Counter(), threading.Event()
    real = blob_clients.open_service

    def slowly(account, retries):
        seen[account] += 1
        if seen[account] > 1:
            second.set()
        second.wait(0.2)
        return real(account, retries)

    monkeypatch.setattr(blob_clients, "open_service", slowly)
    return seen


def cold_start(blobs, container, threads=32):
    """Every thread writes and reads at once, in eight containers of four zones nobody has opened."""
    start = threading.Barrier(threads)

    def work(n):
        start.wait()
        ref = BlobRef.of(list(Zone)[n % 4], f"{container}{n % 2}", f"file{n}")
        blobs.write(ref, ref.encode())
        return blobs.read(ref) == ref.encode()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(threads)))


def account_per_zone(azurite):
    return {zone: f"{azurite.rstrip(';')};Zone={zone}" for zone in Zone}


def test_32_threads_on_a_cold_start_open_each_account_once(azurite, ref, opened):
    """R61, fault 54: the earlier system's cache of clients broke with a KeyError here."""
    blobs = AzureBlobs(account_per_zone(azurite))

    assert all(cold_start(blobs, ref.container))
    assert sorted(opened.values()) == [1, 1, 1, 1]
    blobs.close()


def test_without_its_lock_the_cache_opens_accounts_again(azurite, ref, opened):
    """R61: the stress above must notice a cache that has lost its lock."""
    blobs = AzureBlobs(account_per_zone(azurite))
    blobs._clients._lock = nullcontext()

    cold_start(blobs, ref.container)

    assert max(opened.values()) > 1


def test_clients_survive_being_closed_while_32_threads_use_them(azurite, ref):
    """R61: a cache that is emptied between a thread's look and its use must not fail."""
    blobs, done = AzureBlobs(azurite), threading.Event()
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def forget():
        while not done.is_set():
            blobs._clients._services.clear()
            blobs._clients._containers.clear()

    disturber = threading.Thread(target=forget)
    disturber.start()
    try:
        assert all(cold_start(blobs, ref.container))
    finally:
        done.set()
        disturber.join()
        sys.setswitchinterval(switching)
        blobs.close()


def read_in_child(blobs, ref, answer):
    answer.send((len(blobs._clients._services), blobs.read(ref)))


def test_a_forked_child_opens_its_own_connections(blobs, ref):
    """Fault 54: parent and child on one connection would read each other's answers."""
    blobs.write(ref, b"x")
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    child = fork.Process(target=read_in_child, args=(blobs, ref, there))
    child.start()

    assert here.poll(120)
    assert here.recv() == (0, b"x")
    child.join()
    here.close()
    there.close()


def test_a_zone_without_account_is_named(azurite, ref):
    only_gold = AzureBlobs({Zone.GOLD: azurite})

    with pytest.raises(BadInput, match="Zone silver has no storage account"):
        only_gold.read(ref)


def test_the_emulator_gets_an_api_version_it_knows(azurite):
    emulated = blob_clients.open_service(Account(azurite), retries=0)
    real = blob_clients.open_service(
        Account("AccountName=real;AccountKey=a2V5;EndpointSuffix=core.windows.net"), retries=0
    )

    assert emulated.api_version == blob_clients.EMULATOR_API
    assert real.api_version > blob_clients.EMULATOR_API


def test_an_account_is_a_url_and_a_credential_too():
    class Identity:
        def get_token(self, *scopes, **options):
            raise AssertionError("nothing was asked yet")

    address = "https://real.blob.core.windows.net"
    blobs = AzureBlobs(Account(address, Identity()))

    assert blobs._clients.service(Zone.GOLD).url.startswith(address)
    assert type(blobs._clients.signer(Zone.GOLD)).__name__ == "DelegationSigner"
    assert "key" not in repr(Account("AccountKey=a2V5"))


def test_a_stream_of_120_mb_passes_through_little_memory(azurite, ref):
    """In a process of its own: this one may use again what other tests have freed."""
    size = 120 * MB
    command = [sys.executable, "-m", blob_memory.__name__, azurite, str(ref), str(size)]
    told = subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT, check=True).stdout
    sizes, peaks = zip(*json.loads(told), strict=True)

    assert sizes == (size,) * 3
    assert max(peaks) < 90 * MB, peaks


def fill(azurite, container, names):
    """Empty blobs by bare HTTP, three times as fast as by the SDK."""
    with BlobServiceClient.from_connection_string(azurite) as service:
        account, key = service.account_name, service.credential.account_key
    until = datetime.now(UTC) + timedelta(hours=1)
    sas = generate_container_sas(account, container, account_key=key, permission="c", expiry=until)

    def put(some):
        connection = HTTPConnection("127.0.0.1", int(PORT.search(azurite)[0]))
        for name in some:
            address = f"/{account}/{container}/{name}?{sas}"
            connection.request("PUT", address, b"", {"x-ms-blob-type": "BlockBlob"})
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (201, b"")
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, [names[n::4] for n in range(4)]))


@pytest.mark.slow
def test_a_listing_of_five_thousand_names_is_complete(azurite, blobs, ref):
    """R77: more names than storage puts on one page."""
    names = [f"scene/{n:05}.tif" for n in range(5_001)]
    blobs.write(ref, b"")
    fill(azurite, f"silver-{ref.container}", names)

    pages = [blobs.list(ref.zone, ref.container, "scene/", limit=500)]
    while after := pages[-1].next:
        pages.append(blobs.list(ref.zone, ref.container, "scene/", after=after, limit=500))

    assert [len(page.blobs) for page in pages] == [500] * 10 + [1]
    assert [blob.ref.path for page in pages for blob in page.blobs] == names
    assert len(blobs.list(ref.zone, ref.container, "scene/", limit=10_000).blobs) == 5_000


def test_a_name_that_no_reference_can_hold_is_left_out_and_logged(azurite, blobs, ref, caplog):
    blobs.write(ref, b"")
    with BlobServiceClient.from_connection_string(
        azurite, api_version=blob_clients.EMULATOR_API
    ) as service:
        service.get_blob_client(f"silver-{ref.container}", "/leading/slash").upload_blob(b"")

    with caplog.at_level(logging.WARNING):
        assert [b.ref for b in blobs.list(ref.zone, ref.container).blobs] == [ref]
    assert "leading/slash" in caplog.text


def test_a_link_is_good_for_anyone_until_it_is_tampered_with(blobs, ref):
    odd = BlobRef.of(ref.zone, ref.container, "odd #?%/ünï.tif")
    for one in (ref, odd):
        blobs.write(one, b"elevation", content_type="image/tiff")
        link = blobs.link(one, timedelta(minutes=5))

        answer = requests.get(link, headers={"Range": "bytes=0-3"}, timeout=120)
        assert (answer.status_code, answer.content) == (206, b"elev")
        assert answer.headers["Content-Type"] == "image/tiff"
        forged = link.replace("se=20", "se=21")
        assert requests.get(forged, timeout=120).status_code == 403
        assert requests.get(link.partition("?")[0], timeout=120).status_code in {403, 404}
    elsewhere = link.replace(".tif", ".txt")
    assert requests.get(elsewhere, timeout=120).status_code == 403


def test_a_link_ends(blobs, ref):
    blobs.write(ref, b"x")
    link = blobs.link(ref, timedelta(seconds=1))

    eventually(lambda: requests.get(link, timeout=60).status_code == 403)


def test_only_a_link_to_write_writes(blobs, ref):
    block = {"x-ms-blob-type": "BlockBlob"}
    to_write = blobs.link(ref, timedelta(minutes=5), write=True)
    to_read = blobs.link(ref, timedelta(minutes=5))

    assert requests.put(to_write, b"new", headers=block, timeout=120).status_code == 201
    assert requests.put(to_read, b"bad", headers=block, timeout=120).status_code == 403
    assert requests.get(to_write, timeout=120).status_code == 403
    assert blobs.read(ref) == b"new"


def test_a_link_for_a_new_blob_replaces_none(blobs, ref):
    block = {"x-ms-blob-type": "BlockBlob"}
    link = blobs.link(ref, timedelta(minutes=5), write=True, only_if_new=True)

    assert requests.put(link, b"new", headers=block, timeout=120).status_code == 201
    assert requests.put(link, b"newer", headers=block, timeout=120).status_code in {403, 409}
    assert blobs.read(ref) == b"new"


def test_a_link_to_save_keeps_a_page_from_running(blobs, ref):
    blobs.write(ref, b"<script>", content_type="text/html")
    link = blobs.link(ref, timedelta(minutes=5), to_save=True)

    answer = requests.get(link, timeout=120)
    assert (answer.status_code, answer.headers["Content-Disposition"]) == (200, "attachment")


def test_a_store_without_the_key_cannot_sign(azurite, ref):
    endpoint = re.search(r"BlobEndpoint=[^;]+", azurite)[0]
    blobs = AzureBlobs(f"{endpoint};SharedAccessSignature=sv=2025-11-05&sig=eA==")

    with pytest.raises(Conflict, match="without its key"):
        blobs.link(ref, timedelta(minutes=1))


def test_a_scratch_disk_that_is_gone_is_told_as_passing_trouble(azurite, ref, tmp_path):
    """R80: another worker may have room."""
    blobs = AzureBlobs(azurite, scratch=tmp_path / "gone", retries=0)
    blobs.write(ref, b"x")

    with pytest.raises(ServiceUnavailable, match="scratch disk"), blobs.local(ref):
        pass
    blobs.close()


def test_a_scratch_disk_that_is_full_is_told_as_passing_trouble(blobs, ref, monkeypatch):
    """R80: and nothing stays on it."""
    blobs.write(ref, b"elevation")
    folders = []
    monkeypatch.setattr("os.pwrite", lambda out, data, at: folders.append(out) or len(data) - 1)

    with pytest.raises(ServiceUnavailable, match="scratch disk"), blobs.local(ref):
        pass
    assert folders


def test_what_a_reader_of_a_local_copy_raises_is_its_own(blobs, ref):
    blobs.write(ref, b"elevation")

    with pytest.raises(FileNotFoundError), blobs.local(ref) as file:
        file.with_name("other").read_bytes()

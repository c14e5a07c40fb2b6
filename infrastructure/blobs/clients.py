"""The way to an Azure storage account: its clients, opened once each, its signatures and its errors."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import (
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ExponentialRetry,
    UserDelegationKey,
    generate_blob_sas,
)
from requests.adapters import HTTPAdapter

from core.blobs import BlobRef, Zone
from core.errors import (
    BadInput,
    BlobChanged,
    BlobNotFound,
    Conflict,
    CoreMachineError,
    ServiceUnavailable,
)

PIECE = 8 * 1024 * 1024  # what one request carries, up or down
SOCKET_READ = 256 * 1024  # as the SDK has it where it makes the transport itself
WAIT = 2  # seconds before the first retry, then twice as long each time
CONNECTIONS = 64  # more threads than any worker runs; urllib3 throws away what exceeds it
EMULATOR_API = "2025-11-05"  # the newest that Azurite 3.35 knows; the SDK's own is newer
LONGEST_DELEGATION = timedelta(days=7)
CLOCKS_DIFFER = timedelta(minutes=5)

PASSING_CONFLICTS = {"ContainerBeingDeleted", "PendingCopyOperation"}
LOST_BLOCKS = (
    "InvalidBlockList"  # another writer committed, which drops the blocks staged meanwhile
)

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Account:
    """A storage account: its connection string, or its URL and a credential such as a managed identity."""

    address: str = field(repr=False)
    credential: TokenCredential | None = None


class Signer(Protocol):
    """Signs links. Azure has two ways; only one needs the account's key."""

    def sign(
        self,
        container: str,
        name: str,
        permission: BlobSasPermissions,
        until: datetime,
        disposition: str | None,
    ) -> str:
        """The query that makes a link; `disposition` is a header of its answers."""
        ...


class KeySigner:
    """Signs with the account's key."""

    def __init__(self, account: str, key: str) -> None:
        self._account = account
        self._key = key

    def sign(
        self,
        container: str,
        name: str,
        permission: BlobSasPermissions,
        until: datetime,
        disposition: str | None,
    ) -> str:
        return generate_blob_sas(
            self._account,
            container,
            name,
            account_key=self._key,
            permission=permission,
            expiry=until,
            content_disposition=disposition,
        )


class DelegationSigner:
    """Signs with a key that Azure lends to our identity, for accounts whose own key we do not hold.

    Proven nowhere but in Azure: Azurite lends no such key over plain HTTP.
    """

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._key: UserDelegationKey | None = None
        self._expires = datetime.min.replace(tzinfo=UTC)

    def sign(
        self,
        container: str,
        name: str,
        permission: BlobSasPermissions,
        until: datetime,
        disposition: str | None,
    ) -> str:
        return generate_blob_sas(
            str(self._service.account_name),
            container,
            name,
            user_delegation_key=self._key_until(until),
            permission=permission,
            expiry=until,
            content_disposition=disposition,
        )

    def _key_until(self, until: datetime) -> UserDelegationKey:
        now = datetime.now(UTC)
        if until > now + LONGEST_DELEGATION:
            raise BadInput("A link signed by an identity lasts seven days at most; ask for less")
        with self._lock:
            if self._key is None or self._expires < until:
                self._expires = max(until, now + timedelta(hours=1))
                self._key = self._service.get_user_delegation_key(
                    now - CLOCKS_DIFFER, self._expires
                )
            return self._key


class Clients:
    """Every client of every account, opened once each however many threads ask first."""

    def __init__(
        self, accounts: Mapping[Zone, Account | str] | Account | str, retries: int = 3
    ) -> None:
        self._accounts = _by_zone(accounts)
        self._retries = retries
        self._forget()
        # A forked child that wrote into its parent's connections would garble both.
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._services: dict[Account, BlobServiceClient] = {}
        self._containers: dict[tuple[Zone, str], ContainerClient] = {}
        self._signers: dict[Account, Signer] = {}

    def service(self, zone: Zone) -> BlobServiceClient:
        account = self._account(zone)
        return self._once(self._services, account, lambda: open_service(account, self._retries))

    def container(self, zone: Zone, container: str) -> ContainerClient:
        def open_container() -> ContainerClient:
            return self.service(zone).get_container_client(f"{zone}-{container}")

        return self._once(self._containers, (zone, container), open_container)

    def blob(self, ref: BlobRef) -> BlobClient:
        return self.container(ref.zone, ref.container).get_blob_client(ref.path)

    def signer(self, zone: Zone) -> Signer:
        account = self._account(zone)
        return self._once(self._signers, account, lambda: _signer(account, self.service(zone)))

    def _once(self, kept: dict[K, V], key: K, open_one: Callable[[], V]) -> V:
        found = kept.get(key)
        if found is None:
            with self._lock:  # asked again inside: another thread may have been first
                found = kept.get(key)
                if found is None:
                    found = kept[key] = open_one()
        return found

    def close(self) -> None:
        with self._lock:
            services = list(self._services.values())
            self._forget()
        for service in services:
            service.close()

    def _account(self, zone: Zone) -> Account:
        try:
            return self._accounts[zone]
        except KeyError:
            raise BadInput(f"Zone {zone} has no storage account; add it to the settings") from None


def open_service(account: Account, retries: int) -> BlobServiceClient:
    """A client that gives up in seconds: the task's own retry is the patient one."""
    options: dict[str, Any] = {
        "transport": RequestsTransport(session=_session(), connection_data_block_size=SOCKET_READ),
        "retry_policy": ExponentialRetry(
            initial_backoff=0,
            increment_base=WAIT,
            random_jitter_range=WAIT // 2,
            retry_total=retries,
        ),
        "connection_timeout": 5,
        "read_timeout": 60,
        "max_single_get_size": PIECE,
        "max_chunk_get_size": PIECE,
    }
    if is_emulator(account.address):
        options["api_version"] = EMULATOR_API
    if account.credential is not None:
        return BlobServiceClient(account.address, credential=account.credential, **options)
    return BlobServiceClient.from_connection_string(account.address, **options)


def is_emulator(address: str) -> bool:
    """Only emulators put the account into the path of the URL."""
    if "UseDevelopmentStorage=true" in address:
        return True
    endpoint = address.partition("BlobEndpoint=")[2].partition(";")[0] or address
    return urlsplit(endpoint).path.strip("/") != "" and "://" in endpoint


@contextmanager
def reported(what: object) -> Generator[None, None, None]:
    """Storage's errors as ours, named after `what` they happened to."""
    try:
        yield
    except AzureError as error:
        raise translated(error, what) from error


def translated(error: AzureError, what: object) -> CoreMachineError:
    status, code = status_of(error), code_of(error)
    if status == 404:
        return BlobNotFound(f"There is no {what}")
    if lost_race(error):
        return BlobChanged(f"Another writer was faster with {what} ({code}); read it again")
    if status is None or status in {401, 403, 408, 409, 429} or status >= 500:
        return ServiceUnavailable(f"Blob storage did not serve {what} ({code}); try again")
    return BadInput(f"Blob storage refused {what} ({code})")


def status_of(error: AzureError) -> int | None:
    return error.status_code if isinstance(error, HttpResponseError) else None


def code_of(error: AzureError) -> str:
    code: Any = getattr(error, "error_code", None) or status_of(error) or type(error).__name__
    return str(getattr(code, "value", code))


def lost_race(error: AzureError) -> bool:
    status, code = status_of(error), code_of(error)
    if status == 409:
        return code not in PASSING_CONFLICTS
    return status in {412, 416} or code == LOST_BLOCKS


def _by_zone(accounts: Mapping[Zone, Account | str] | Account | str) -> dict[Zone, Account]:
    named = accounts if isinstance(accounts, Mapping) else dict.fromkeys(Zone, accounts)
    return {zone: Account(a) if isinstance(a, str) else a for zone, a in named.items()}


def _signer(account: Account, service: BlobServiceClient) -> Signer:
    if account.credential is not None:
        return DelegationSigner(service)
    key: str | None = getattr(service.credential, "account_key", None)
    if key is None:
        raise Conflict("This storage account was set up without its key, so it can sign no links")
    return KeySigner(str(service.account_name), key)


def _session() -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))
    return session

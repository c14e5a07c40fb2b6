"""The storage routes over real blob storage, without a database."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from core.blobs import Blobs
from tests.http.house import serving
from tests.support.idle import idle_machine
from triggers.http.app import create_app
from triggers.http.services import Services


@contextmanager
def storage_client(blobs: Blobs, **more: object) -> Iterator[httpx.Client]:
    app = create_app(Services(idle_machine(blobs), None, blobs, None, **more))  # type: ignore[arg-type]
    with serving(app) as url, httpx.Client(base_url=url, timeout=120) as client:
        yield client

"""The client: one object, everything that the server can be asked."""

from __future__ import annotations

from types import TracebackType

import httpx

from coremachine_client.audit import AuditVerbs
from coremachine_client.batches import Batches
from coremachine_client.blobs import Blobs
from coremachine_client.catalog import Catalog
from coremachine_client.control import ControlVerbs
from coremachine_client.glances import GlanceVerbs
from coremachine_client.house import House
from coremachine_client.installation import InstallationVerbs
from coremachine_client.jobs import JobVerbs
from coremachine_client.keys import IdentityVerbs, Keys
from coremachine_client.letters import Letters
from coremachine_client.limits import Limits
from coremachine_client.logs import LogVerbs
from coremachine_client.schedules import Schedules
from coremachine_client.templates import Templates
from coremachine_client.transport import Secret, Transport
from coremachine_client.webhooks import Webhooks

LOCAL = "http://127.0.0.1:7071"
VERSION = "0.1.0"


class Client(
    JobVerbs,
    ControlVerbs,
    LogVerbs,
    GlanceVerbs,
    InstallationVerbs,
    IdentityVerbs,
    AuditVerbs,
):
    """Speaks with one CoreMachine server. Threads may share it; close it, or use it in a `with` block."""

    def __init__(
        self,
        server: str = LOCAL,
        *,
        api_key: Secret | None = None,
        token: Secret | None = None,
        timeout: float = 30.0,
        retries: int = 4,
        backoff: float = 0.25,
        agent: str = f"coremachine-client/{VERSION}",
        through: httpx.BaseTransport | None = None,
    ) -> None:
        """`api_key` or `token` (a bearer token) say who asks; a function is called for each request.

        A server that is away or busy is asked again, `retries` times, at growing distances that
        begin with `backoff` seconds, or when it says. `through` replaces how requests are sent.
        """
        self.transport = Transport(
            server,
            api_key=api_key,
            token=token,
            timeout=timeout,
            retries=retries,
            backoff=backoff,
            agent=agent,
            through=through,
        )
        self.blobs = Blobs(self.transport)
        self.schedules = Schedules(self.transport)
        self.templates = Templates(self.transport)
        self.batches = Batches(self.transport)
        self.webhooks = Webhooks(self.transport)
        self.keys = Keys(self.transport)
        self.limits = Limits(self.transport)
        self.letters = Letters(self.transport)
        self.house = House(self.transport)
        self.catalog = Catalog(self.transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections."""
        self.transport.close()

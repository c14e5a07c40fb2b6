"""The web app under uvicorn, beside whatever else the process does."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any


class WebServer:
    """Serves in a thread, so that signals stay with whoever started it."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.run, name="web", daemon=True)

    @classmethod
    def at(cls, host: str, port: int, app: Any, proxies: Sequence[str] = ()) -> WebServer:
        """Not started yet. `proxies`: whose word is taken for where a request comes from."""
        import uvicorn  # noqa: PLC0415 - a worker without a port never pays for it

        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            timeout_graceful_shutdown=2,
        )
        return cls(uvicorn.Server(config))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(5)

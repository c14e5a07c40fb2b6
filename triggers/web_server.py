"""The web app under uvicorn, in a thread, so that signals stay with whoever started it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from core.imports import one_at_a_time


class WebServer:
    """Serves one app. `proxies`: those whose word about the caller's address is taken."""

    def __init__(self, app: Any, host: str, port: int, proxies: Sequence[str] = ()) -> None:
        with one_at_a_time:
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
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(5)

"""Microsoft's worker library, driven in this process instead of over gRPC."""

import importlib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from triggers.devhost.settings import CannotStart

_LIBRARY = "azure_functions_runtime"
_INSTALL = "pip install --no-deps --ignore-requires-python azure-functions-runtime==1.3.0 azurefunctions-extensions-base"
_RECORDS = (
    "WorkerInitResponse",
    "WorkerMetadata",
    "RpcException",
    "RpcFunctionMetadata",
    "FunctionMetadataResponse",
    "RpcRetryOptions",
)
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


@dataclass(frozen=True)
class Invoked:
    """How an invocation went: what it returned, or what it raised."""

    ok: bool
    returned: Any = None
    error: str = ""


class Worker:
    """One function app, loaded. The library keeps it in module globals: one app per process."""

    def __init__(self, app: Path) -> None:
        self._app = app
        try:
            self._library = importlib.import_module(_LIBRARY)
        except ModuleNotFoundError:
            raise CannotStart(
                f"The development host needs Microsoft's worker library: {_INSTALL}"
            ) from None
        self._invoke = importlib.import_module(
            f"{_LIBRARY}.native_invocation"
        ).invocation_request_native
        self._datum = importlib.import_module(f"{_LIBRARY}.bindings.datumdef").Datum

    async def index(self) -> list[Any]:
        """Import the app; its functions' metadata, just as the Functions host gets it."""
        sys.path.insert(0, str(self._app))
        self._library.start_threadpool_executor()
        asked = SimpleNamespace(capabilities={}, function_app_directory=str(self._app))
        reply = await self._library.worker_init_request(_request(worker_init_request=asked))
        if reply.result.status != _Status.Success:
            raise CannotStart(self._what_is_broken(reply.result.exception))
        return (
            await self._library.functions_metadata_request(_request())
        ).function_metadata_results or []

    def _what_is_broken(self, exception: Any) -> str:
        frames = [m for m in _FRAME.finditer(exception.stack_trace) if self._is_ours(m["file"])]
        place = (
            f" at {Path(frames[-1]['file']).relative_to(self._app)} line {frames[-1]['line']}"
            if frames
            else ""
        )
        reason = exception.message.split(". Cannot find module")[0]
        return f"The function app cannot be loaded: it fails{place}: {reason}"

    def _is_ours(self, file: str) -> bool:
        return file.startswith(str(self._app)) and "site-packages" not in file

    async def invoke(
        self, function_id: str, argument: str, value: Any, metadata: Mapping[str, Any] | None = None
    ) -> Invoked:
        """Run one function on one trigger's value."""
        inputs = [(argument, value)]
        ok, returned, _, error, _ = await self._invoke(
            str(uuid4()), function_id, inputs, dict(metadata or {})
        )
        return Invoked(ok, returned, error or "")

    def datum(self, kind: str, value: Any) -> Any:
        """A value as it travels between host and worker: kind is string, bytes, json or http."""
        return self._datum(value, kind)

    def stop(self) -> None:
        """Wait for the functions that still run."""
        self._library.stop_threadpool_executor()


class _Status(SimpleNamespace):
    Failure, Success, Cancelled = 0, 1, 2


class _Direction(SimpleNamespace):
    out, inout = 1, 2


def _request(**body: Any) -> SimpleNamespace:
    return SimpleNamespace(
        request=SimpleNamespace(**body), properties={"protos": _protos(), "host": "127.0.0.1"}
    )


def _protos() -> SimpleNamespace:
    """What the library would take from protobuf: plain records serve as well."""
    records = {name: type(name, (SimpleNamespace,), {}) for name in _RECORDS}
    status = type("StatusResult", (_Status,), {})
    binding = type("BindingInfo", (_Direction,), {"in": 0})
    return SimpleNamespace(StatusResult=status, BindingInfo=binding, **records)

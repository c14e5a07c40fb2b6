"""Serve any ASGI app from one HTTP function of Azure Functions."""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, cast
from urllib.parse import quote, unquote

import azure.functions as func

from core.errors import CoreMachineError, ServiceUnavailable

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
State = dict[str, Any]

# Up to 2.3 an app watches for the disconnect itself, which is how an endless stream learns of its end.
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_URL = re.compile(r"(?P<scheme>[^:/?#]+)://(?P<host>[^/?#]*)(?P<path>[^?#]*)(\?(?P<query>[^#]*))?")
_VISIBLE_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_NOT_JOINED = {"connection", "keep-alive", "transfer-encoding", "upgrade", "set-cookie"}
_GRACE = 1.0


class App(Protocol):
    """An ASGI 3 application."""

    def __call__(self, scope: Message, receive: Receive, send: Send, /) -> Awaitable[None]: ...


class AsgiBridge:
    """Answers Functions requests from an ASGI app that is built and started at the first one.

    A Functions response cannot stream, so an event stream is returned after `stream_for` as far as
    it has come, and its client resumes with Last-Event-ID. Any other answer has `answer_within`,
    which stays below the 230 seconds after which Azure's load balancer hangs up.
    """

    def __init__(
        self,
        build: Callable[[], App],
        *,
        stream_for: timedelta = timedelta(seconds=10),
        answer_within: timedelta = timedelta(seconds=220),
    ) -> None:
        self._build = build
        self._stream_for = stream_for.total_seconds()
        self._answer_within = answer_within.total_seconds()
        self._start: asyncio.Task[_Running] | None = None

    async def serve(self, request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """Answer one request; whatever happens, with a response and never with an exception."""
        correlation_id = context.invocation_id
        start = self._single_start()
        await asyncio.wait({start})
        if error := _failure(start):
            log.error(
                "the web app did not start (correlation id %s)", correlation_id, exc_info=error
            )
            return _problem(ServiceUnavailable, "It could not start.", correlation_id)
        exchange = _Exchange(request, correlation_id)
        await self._run(start.result(), exchange)
        return exchange.response()

    def _single_start(self) -> "asyncio.Task[_Running]":
        # No await between the look and the leap: requests that come together share one start-up,
        # its failure too, and a start-up that failed is tried again by the next request.
        if self._start is None or _failure(self._start):
            self._start = asyncio.create_task(_start(self._build))
        return self._start

    async def _run(self, running: "_Running", exchange: "_Exchange") -> None:
        call = asyncio.create_task(_call(running, exchange))
        try:
            await asyncio.wait({call}, timeout=self._stream_for)
            if not exchange.is_event_stream:
                await asyncio.wait({call}, timeout=self._answer_within - self._stream_for)
            if not call.done():
                exchange.hang_up()
                await asyncio.wait({call}, timeout=_GRACE)
        finally:
            call.cancel()
        exchange.error = _failure(call)


async def _call(running: "_Running", exchange: "_Exchange") -> None:
    await running.app(exchange.scope(running.state), exchange.receive, exchange.send)


@dataclass(frozen=True)
class _Running:
    """A started app and the state its lifespan yielded."""

    app: App
    state: State
    lifespan: asyncio.Future[None]


async def _start(build: Callable[[], App]) -> _Running:
    """Build the app and run its lifespan up to the end of its start-up."""
    app = await asyncio.to_thread(build)
    state: State = {}
    started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    events = iter([{"type": "lifespan.startup"}])

    async def receive() -> Message:
        # The Functions host ends a worker without a word, so there is no shutdown to pass on.
        return next(events, None) or await asyncio.Future[Message]()

    async def send(message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            started.set_result(None)
        elif message["type"] == "lifespan.startup.failed":
            started.set_exception(ServiceUnavailable(message.get("message", "")))

    scope = {"type": "lifespan", "asgi": _ASGI, "state": state}
    lifespan = asyncio.ensure_future(app(scope, receive, send))
    lifespan.add_done_callback(_note_end)
    await asyncio.wait({lifespan, started}, return_when=asyncio.FIRST_COMPLETED)
    if started.done():
        started.result()
    return _Running(app, state, lifespan)


def _note_end(lifespan: asyncio.Future[None]) -> None:
    # An app that knows no lifespan ends here at once, and is served all the same.
    error = _failure(lifespan)
    if error and not lifespan.cancelled():
        log.warning("the lifespan of the web app ended: %r", error)


class _Exchange:
    """One request as the app receives it, and the response as far as the app has sent it."""

    def __init__(self, request: func.HttpRequest, correlation_id: str) -> None:
        self._request = request
        self._correlation_id = correlation_id
        self._unread = [request.get_body()]
        self._gone = asyncio.Event()
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._complete = False
        self._hung_up = False
        self.error: BaseException | None = None

    def scope(self, state: State) -> Message:
        """The connection scope of this request."""
        url = _URL.match(self._request.url)
        if url is None:
            raise ValueError(f"the host passed a request without a full URL: {self._request.url!r}")
        path = quote(url["path"], safe=_VISIBLE_ASCII)
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": "1.1",
            "method": self._request.method,
            "scheme": url["scheme"],
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": quote(url["query"] or "", safe=_VISIBLE_ASCII).encode(),
            "root_path": "",
            "headers": self._request_headers(url["host"]),
            "server": None,
            "client": self._client(),
            "state": dict(state),
        }

    def _client(self) -> tuple[str, int] | None:
        """Who speaks to the platform, which writes it behind what the client says of itself."""
        told = cast(Mapping[str, str], self._request.headers).get("x-forwarded-for", "")
        last = told.rpartition(",")[2].strip()
        host = last.partition("]")[0].strip("[") if last.startswith("[") else last
        if host.count(":") == 1:
            host = host.partition(":")[0]
        return (host, 0) if host else None

    def _request_headers(self, host: str) -> list[tuple[bytes, bytes]]:
        sent = cast(Mapping[str, str], self._request.headers)
        headers = {"host": host, "x-correlation-id": self._correlation_id, **sent}
        headers["content-length"] = str(len(self._unread[0]))
        headers.pop("transfer-encoding", None)
        return [(name.encode(), value.encode()) for name, value in headers.items()]

    async def receive(self) -> Message:
        """The whole body at once, then the disconnect."""
        if self._unread:
            return {"type": "http.request", "body": self._unread.pop(), "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Keep one part of the response."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            pairs = message.get("headers", [])
            self._headers = [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in pairs]
        elif message["type"] == "http.response.body":
            self._body.append(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self._complete:
                self._gone.set()

    def hang_up(self) -> None:
        """Tell the app that nobody listens any more."""
        self._hung_up = True
        self._gone.set()

    @property
    def is_event_stream(self) -> bool:
        return self._content_type.startswith("text/event-stream")

    @property
    def _content_type(self) -> str:
        return next((value for name, value in self._headers if name == "content-type"), "")

    def response(self) -> func.HttpResponse:
        """What the app answered, or the problem that stands for an answer it did not finish."""
        if self.error:
            log.error(
                "request failed (correlation id %s)", self._correlation_id, exc_info=self.error
            )
        if self._complete and (self.error is None or "json" in self._content_type):
            return self._sent()
        if self.is_event_stream:
            return self._sent()
        if self._hung_up:
            return _problem(ServiceUnavailable, "It did not answer in time.", self._correlation_id)
        return _problem(CoreMachineError, "The request failed.", self._correlation_id)

    def _sent(self) -> func.HttpResponse:
        joined: dict[str, str] = {}
        for name, value in self._headers:
            if name not in _NOT_JOINED:
                joined[name] = f"{joined[name]}, {value}" if name in joined else value
        body = b"" if self._request.method == "HEAD" else b"".join(self._body)
        response = func.HttpResponse(body, status_code=self._status, headers=joined)
        for name, value in self._headers:
            if name == "set-cookie":
                response.headers.add(name, value)
        return response


def _failure(done: "asyncio.Future[Any]") -> BaseException | None:
    """Why it failed; None while it runs and when it succeeded."""
    if not done.done():
        return None
    return asyncio.CancelledError() if done.cancelled() else done.exception()


def _problem(error: type[CoreMachineError], detail: str, correlation_id: str) -> func.HttpResponse:
    """RFC 9457 problem details that say nothing about the inside."""
    body: dict[str, Any] = {
        "type": f"/errors/{error.code}",
        "title": error.__doc__,
        "status": error.status,
        "detail": f"{detail} Quote the correlation id when you report this.",
        "code": error.code,
        "correlation_id": correlation_id,
        "errors": [],
    }
    return func.HttpResponse(
        json.dumps(body),
        status_code=error.status,
        headers={
            "content-type": "application/problem+json",
            "x-correlation-id": correlation_id,
            **({"retry-after": "5"} if error.retryable else {}),
        },
    )

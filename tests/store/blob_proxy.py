"""An HTTP proxy in front of Azurite that serves a request badly when told to."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

PORT = re.compile(r"(?<=127\.0\.0\.1:)(\d+)")
FROM_SERVER_ONLY = {"transfer-encoding", "connection", "content-length", "keep-alive"}


class Zeros(io.RawIOBase):
    """So many zero bytes, none of them in memory."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        size = self.left if size < 0 else min(size, self.left, 100_000)
        self.left -= size
        return bytes(size)


class Fault(Enum):
    BUSY = auto()  # 503, the request never arrives
    LOSE_ANSWER = auto()  # the request is served, its answer is not
    CUT_BODY = auto()  # half of the answer's body, then nothing
    COPY_PENDING = auto()
    COPY_FAILED = auto()


@dataclass
class Armed:
    fault: Fault
    method: str
    path: str
    times: int


class BadServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = port
        self._armed: list[Armed] = []
        self._lock = Lock()

    def arm(self, fault: Fault, method: str, path: str = "", times: int = 1) -> None:
        """The next `times` requests of this method whose address holds `path` meet the fault."""
        self._armed.append(Armed(fault, method, path, times))

    def next_fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for armed in self._armed:
                if armed.times and armed.method == method and armed.path in path:
                    armed.times -= 1
                    return armed.fault
        return None

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is the point here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BadServer

    def serve(self) -> None:
        fault = self.server.next_fault(self.command, self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault is Fault.BUSY:
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        answer, data = self.ask(body)
        if fault is Fault.LOSE_ANSWER:
            self.close_connection = True
            return
        self.answer(answer, data, fault)

    do_GET = do_PUT = do_HEAD = do_DELETE = serve

    def ask(self, body: bytes) -> tuple[HTTPResponse, bytes]:
        behind = HTTPConnection("127.0.0.1", self.server.behind)
        try:
            behind.request(self.command, self.path, body, dict(self.headers))
            answer = behind.getresponse()
            return answer, answer.read()
        finally:
            behind.close()

    def answer(self, answer: HTTPResponse, data: bytes, fault: Fault | None) -> None:
        self.send_response(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in FROM_SERVER_ONLY | ({"x-ms-copy-status"} if fault else set()):
                self.send_header(name, value)
        if fault in {Fault.COPY_PENDING, Fault.COPY_FAILED}:
            self.send_header("x-ms-copy-status", fault.name.removeprefix("COPY_").lower())
        self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if fault is Fault.CUT_BODY else data)
        self.close_connection = fault is Fault.CUT_BODY

    def log_message(self, *parts: object) -> None:
        """Keep the test's output free of requests."""


@contextmanager
def bad_server(port: int) -> Iterator[BadServer]:
    with BadServer(port) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

"""Lines between a client and the real server that fail as lines do."""

from collections.abc import Callable, Iterator

import httpx

Trouble = Callable[[httpx.Request], httpx.Response | None]
"""Answers in the server's place, raises, or lets the request through."""


class Line(httpx.BaseTransport):
    """Asks its troubles in turn, one per request; then everything passes. `passed` tells what reached the server."""

    def __init__(self, *troubles: Trouble) -> None:
        self.inner = httpx.HTTPTransport()
        self.troubles = list(troubles)
        self.passed: list[str] = []
        self.headers: list[httpx.Headers] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.headers.append(request.headers)
        trouble = self.troubles.pop(0) if self.troubles else None
        answer = None if trouble is None else trouble(request)
        return self._pass(request) if answer is None else answer

    def _pass(self, request: httpx.Request) -> httpx.Response:
        self.passed.append(f"{request.method} {request.url.path}")
        return self.inner.handle_request(request)

    def lose_answer(self, request: httpx.Request) -> httpx.Response:
        """The server does it, and nobody hears of it."""
        answer = self._pass(request)
        answer.read()
        answer.close()
        raise httpx.ReadError("the line broke", request=request)

    def cut_after(self, size: int) -> Trouble:
        """The answer breaks off after so many bytes."""

        def trouble(request: httpx.Request) -> httpx.Response:
            answer = self._pass(request)
            assert isinstance(answer.stream, httpx.SyncByteStream)
            stream = _Cut(answer.stream, size)
            return httpx.Response(answer.status_code, headers=answer.headers, stream=stream)

        return trouble

    def close(self) -> None:
        self.inner.close()


class _Cut(httpx.SyncByteStream):
    def __init__(self, whole: httpx.SyncByteStream, size: int) -> None:
        self.whole = whole
        self.left = size

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.whole:
            yield chunk[: self.left]
            self.left -= len(chunk)
            if self.left <= 0:
                raise httpx.ReadError("the line broke")

    def close(self) -> None:
        self.whole.close()


def says(status: int, text: str = "", **headers: str) -> Trouble:
    """Something in between answers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: httpx.Response(status, text=text, headers=named)


def unsent(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no route", request=request)

"""Requests to the server: one connection pool, tries again where that is safe, problems as exceptions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from uuid import uuid4

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from coremachine_client.errors import UnexpectedAnswer, Unreachable, kind_of

M = TypeVar("M", bound=BaseModel)
Secret = str | Callable[[], str]
"""A key or token, or what gives a fresh one."""

LONGEST_PAUSE = 60.0
"""Seconds: a server that asks for more patience than this gets its refusal passed on."""
BUSY = {429, 502, 503, 504}
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""The request never left: sending it again can do nothing twice."""


class Transport:
    """Speaks HTTP with one server. Threads may share it."""

    def __init__(
        self,
        server: str,
        *,
        api_key: Secret | None = None,
        token: Secret | None = None,
        timeout: float = 30.0,
        retries: int = 4,
        backoff: float = 0.25,
        agent: str = "coremachine-client",
        through: httpx.BaseTransport | None = None,
    ) -> None:
        self.server = server.rstrip("/")
        self.retries = retries
        self.backoff = backoff
        # The server closes connections that are idle for five seconds; ours must be gone before.
        limits = httpx.Limits(max_connections=20, keepalive_expiry=3.0)
        times = httpx.Timeout(timeout, connect=min(timeout, 10.0))
        self._http = httpx.Client(
            base_url=self.server,
            auth=_Identified(api_key, token),
            timeout=times,
            limits=limits,
            headers={"User-Agent": agent, "Accept": "application/json"},
            transport=through,
        )
        # Signed links go elsewhere: no key of ours may travel with them.
        self.outside = httpx.Client(timeout=times, limits=limits, headers={"User-Agent": agent})

    def close(self) -> None:
        self._http.close()
        self.outside.close()

    # requests

    def get(self, model: type[M], path: str, /, **query: Any) -> M:
        return self.read(model, self.send("GET", path, query=query))

    def post(
        self,
        model: type[M],
        path: str,
        body: Mapping[str, Any] | None = None,
        /,
        *,
        repeatable: bool = False,
        **query: Any,
    ) -> M:
        answer = self.send("POST", path, query=query, body=body or {}, repeatable=repeatable)
        return self.read(model, answer)

    def put(self, model: type[M], path: str, body: Mapping[str, Any]) -> M:
        return self.read(model, self.send("PUT", path, body=body))

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        accept: tuple[int, ...] = (),
    ) -> httpx.Response:
        """An answer that is no refusal, or has a status to `accept`.

        What is `repeatable` is sent again when the server may have done it already.
        """
        request = self._request(method, path, query, body, content, headers)
        return self._persistently(lambda: self._once(request, accept), repeatable)

    @contextmanager
    def streaming(
        self,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        silence: float | None = None,
    ) -> Generator[httpx.Response]:
        """An answer whose body is read as it comes. `silence`: the seconds it may pause."""
        request = self._request("GET", path, query, None, None, headers)
        if silence is not None:
            request.extensions["timeout"] = {**request.extensions["timeout"], "read": silence}
        answer = self._persistently(lambda: self._once(request, (), stream=True), True)
        try:
            yield answer
        finally:
            answer.close()

    def pages(self, path: str, key: str, /, **query: Any) -> Iterator[Any]:
        """The elements of a list, page after page, each page fetched when it is needed."""
        following: str | None = path
        while following:
            found = self.send("GET", following, query=query)
            page = self.read(Page, found)
            yield from page.elements(key)
            following, query = (page.links or {}).get("next"), {}

    def read(self, model: type[M], answer: httpx.Response) -> M:
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            raise self._strange(answer, str(error.errors()[0]["msg"])) from None

    def json(self, answer: httpx.Response) -> Any:
        try:
            return TypeAdapter(Any).validate_json(answer.content)
        except ValidationError:
            raise self._strange(answer, "no JSON") from None

    # how they are sent

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        content: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Request:
        params = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        return self._http.build_request(
            method,
            path,
            params=params or None,
            json=body,
            content=content,
            headers={"X-Correlation-Id": uuid4().hex, **(headers or {})},
        )

    def _persistently(self, once: Callable[[], httpx.Response], repeatable: bool) -> httpx.Response:
        for attempt in range(self.retries + 1):
            is_last = attempt == self.retries
            try:
                answer = once()
            except httpx.TransportError as error:
                if is_last or not (repeatable or isinstance(error, UNSENT)):
                    raise self.unreachable(error) from error
                time.sleep(self.pause(attempt))
                continue
            again = answer.status_code in BUSY and (repeatable or answer.status_code == 429)
            wanted = retry_after(answer)
            if not again or is_last or (wanted or 0) > LONGEST_PAUSE:
                return self._accepted(answer)
            answer.close()
            time.sleep(max(wanted or 0.0, self.pause(attempt)))
        raise AssertionError("the last attempt returns or raises")

    def _once(
        self, request: httpx.Request, accept: tuple[int, ...], *, stream: bool = False
    ) -> httpx.Response:
        answer = self._http.send(request, stream=stream)
        answer.extensions["accepted"] = answer.is_success or answer.status_code in accept
        if stream and not answer.is_success:
            answer.read()
        return answer

    def _accepted(self, answer: httpx.Response) -> httpx.Response:
        if answer.extensions["accepted"]:
            return answer
        if answer.is_redirect:
            elsewhere = answer.headers.get("location", "")
            raise self._strange(answer, f"a redirect to {elsewhere}; use that address")
        raise refusal(answer)

    def pause(self, attempt: int) -> float:
        """Seconds before another try: longer each time, and never the same for two clients."""
        return min(self.backoff * 2**attempt, 8.0) * random.uniform(0.5, 1.0)  # noqa: S311

    def unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"{self.server} does not answer: {error or type(error).__name__}")

    def _strange(self, answer: httpx.Response, what: str) -> UnexpectedAnswer:
        return UnexpectedAnswer(
            f"{answer.request.url} answered {answer.status_code}, but not as CoreMachine does: {what}"
        )


class Page(BaseModel):
    """Part of a list."""

    model_config = {"extra": "allow"}

    links: dict[str, str | None] | None = None

    def elements(self, key: str) -> list[Any]:
        return (self.model_extra or {}).get(key, [])


class _Identified(httpx.Auth):
    """Says who asks. A key or token that is made by a function is asked for with every request."""

    def __init__(self, api_key: Secret | None, token: Secret | None) -> None:
        self.api_key = api_key
        self.token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        if self.api_key is not None:
            request.headers["X-API-Key"] = _plain(self.api_key)
        if self.token is not None:
            request.headers["Authorization"] = f"Bearer {_plain(self.token)}"
        yield request


def _plain(secret: Secret) -> str:
    return secret if isinstance(secret, str) else secret()


def _text(value: Any) -> Any:
    """A query value as HTTP writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat()
        case list() | tuple():
            return [str(part) for part in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            return value


def retry_after(answer: httpx.Response) -> float | None:
    """The seconds to wait that an answer asks for; it may name a moment instead."""
    told = answer.headers.get("retry-after", "").strip()
    if told.isdecimal():
        return float(told)
    try:
        moment = parsedate_to_datetime(told)
    except ValueError:
        return None
    return max((moment.astimezone(UTC) - datetime.now(UTC)).total_seconds(), 0.0)


class Told(BaseModel):
    """A refusal as problem JSON."""

    title: str = ""
    detail: str = ""
    code: str = ""
    correlation_id: str = ""
    errors: list[dict[str, Any]] = []


def refusal(answer: httpx.Response) -> Exception:
    """What a refusal says, whether CoreMachine or something in between wrote it."""
    status = answer.status_code
    try:
        told = Told.model_validate_json(answer.content)
    except ValidationError:
        told = Told(detail=answer.text[:200].strip())
    return kind_of(status)(
        told.detail or told.title or f"the server answered {status}",
        status=status,
        code=told.code or f"http_{status}",
        correlation_id=told.correlation_id or answer.headers.get("x-correlation-id", ""),
        errors=told.errors,
        retry_after=retry_after(answer),
    )

"""Reads fixed places of the internet: addresses checked as those of users are, connections kept, ranges honoured."""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urljoin

from core.guard import Place, Unreachable, UrlRules, check_addresses, literal_of, place_of
from core.internet import Ask, Told
from infrastructure.calling import REDIRECTS, resolved

PIECE = 256 << 10
IDLE = 24
"""Connections to one place that are kept for the next request."""
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
AGENT = "CoreMachine"


class Fetcher:
    """core.internet.Reader. `quiet` seconds without a byte end a request, and `seconds` in all."""

    def __init__(
        self, rules: UrlRules, *, quiet: float = 15.0, seconds: float = 120.0, redirects: int = 3
    ) -> None:
        self.rules = rules
        self.quiet, self.seconds, self.redirects = quiet, seconds, redirects
        self._tls = ssl.create_default_context()
        self._idle: dict[tuple[str, str, int], deque[HTTPConnection]] = {}
        self._lock = threading.Lock()

    def read(self, ask: Ask) -> Told:
        end, left = time.monotonic() + self.seconds, self.redirects
        told = self._once(ask, end)
        while told.status in REDIRECTS and "location" in told.headers and left:
            ask = replace(ask, url=urljoin(ask.url, told.headers["location"]))
            left -= 1
            told = self._once(ask, end)
        return told

    def close(self) -> None:
        with self._lock:
            idle = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _once(self, ask: Ask, end: float) -> Told:
        place = place_of(ask.url, self.rules)
        while True:
            connection, used = self._connection(place)
            try:
                response = self._begin(connection, place, ask)
            except (OSError, HTTPException) as error:
                connection.close()
                if used and not isinstance(error, TimeoutError):
                    continue  # it was closed while it lay idle; the next may be fresh
                raise _lost(place, error) from error
            except BaseException:
                connection.close()
                raise
            return self._answer(connection, response, place, ask, end)

    def _begin(self, connection: HTTPConnection, place: Place, ask: Ask) -> HTTPResponse:
        headers = {"Host": place.authority, "User-Agent": AGENT, "Accept-Encoding": "identity"}
        if ask.start is not None:
            last = "" if ask.length is None else ask.start + ask.length - 1
            headers["Range"] = f"bytes={ask.start}-{last}"
        connection.request("GET", place.path, headers=headers)
        return connection.getresponse()

    def _answer(
        self, connection: HTTPConnection, response: HTTPResponse, place: Place, ask: Ask, end: float
    ) -> Told:
        """The connection is kept when everything it brought was read, and closed otherwise."""
        whole = False
        headers = {name.lower(): value for name, value in response.getheaders()}
        try:
            if response.status not in (200, 206):
                return Told(response.status, headers, response.read(1024))
            _check_range(ask, response.status, headers)
            body = _body(response, ask, end)
            whole = response.isclosed() and not response.will_close
            return Told(response.status, headers, body)
        except (OSError, HTTPException) as error:
            raise _lost(place, error) from error
        finally:
            if whole:
                self._keep(place, connection)
            else:
                connection.close()

    def _connection(self, place: Place) -> tuple[HTTPConnection, bool]:
        with self._lock:
            kept = self._idle.get((place.scheme, place.host, place.port))
            if kept:
                return kept.pop(), True
        return self._connected(place), False

    def _keep(self, place: Place, connection: HTTPConnection) -> None:
        with self._lock:
            kept = self._idle.setdefault((place.scheme, place.host, place.port), deque())
            if len(kept) < IDLE:
                kept.append(connection)
                return
        connection.close()

    def _connected(self, place: Place) -> HTTPConnection:
        """To the very address that was checked."""
        found = [place.host] if literal_of(place.host) else resolved(place.host, place.port)
        addresses = check_addresses(found, place, self.rules)
        return self._first_open(place, [str(address) for address in addresses])

    def _first_open(self, place: Place, addresses: Sequence[str]) -> HTTPConnection:
        failure: OSError = TimeoutError("no address")
        for address in addresses:
            connection = _Pinned(place, address, self.quiet, self._tls)
            try:
                connection.connect()
            except OSError as error:
                connection.close()
                failure = error
            else:
                return connection
        raise _lost(place, failure) from failure


class _Pinned(HTTPSConnection):
    """A connection to an address, with the name that TLS must prove."""

    def __init__(self, place: Place, address: str, quiet: float, tls: ssl.SSLContext) -> None:
        super().__init__(address, place.port, timeout=quiet, context=tls)
        self.place, self.tls = place, tls

    def connect(self) -> None:
        HTTPConnection.connect(self)
        if self.place.secure:
            self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.place.host)


def _check_range(ask: Ask, status: int, headers: dict[str, str]) -> None:
    """A server, or a proxy before it, that sends all of a file when a part was asked for is not read to its end."""
    if ask.start is None:
        if status == 206:
            raise Unreachable("a part was sent where all was asked for")
        return
    if status == 200:
        raise Unreachable("ranges are ignored there: all of the file was sent, and not read")
    found = CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if found is None or int(found[1]) != ask.start:
        raise Unreachable("another part of the file was sent than was asked for")
    if _is_end(found) and ask.may_end:
        return
    if ask.length is not None and int(found[2]) - int(found[1]) + 1 != ask.length:
        raise Unreachable(
            "less of the file was sent than was asked for; it is shorter than its inventory says"
        )


def _is_end(found: re.Match[str]) -> bool:
    return found[3].isdigit() and int(found[2]) + 1 == int(found[3])


def _body(response: HTTPResponse, ask: Ask, end: float) -> bytes:
    body, wanted = bytearray(), ask.length
    while wanted is None or len(body) < wanted:
        piece = response.read1(PIECE if wanted is None else min(PIECE, wanted - len(body)))
        if not piece:
            break
        body += piece
        if wanted is None and ask.enough is not None:
            wanted = ask.enough(bytes(body[:32]))
        if len(body) > ask.limit:
            raise Unreachable(f"more than {ask.limit} bytes were sent")
        if time.monotonic() > end:
            raise TimeoutError
        ask.check()
    if wanted is not None and len(body) < wanted and not (ask.may_end and response.length == 0):
        raise Unreachable(f"the answer ended after {len(body)} of {wanted} bytes")
    declared = response.length  # what Content-Length still owes
    if wanted is None and declared:
        raise Unreachable(f"the answer ended {declared} bytes before its end")
    if response.length == 0:
        response.close()  # nothing is owed, so the connection is good for the next
    return bytes(body if wanted is None else body[:wanted])


def _lost(place: Place, error: Exception) -> Unreachable:
    late = isinstance(error, TimeoutError)
    why = "no whole answer in time" if late else f"the request failed ({type(error).__name__})"
    return Unreachable(f"{place.host}: {why}")

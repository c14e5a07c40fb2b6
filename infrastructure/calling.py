"""Calls URLs that users have given: resolved once, checked, and connected to the very address that was checked."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from urllib.parse import urljoin

from core.guard import (
    Address,
    Answer,
    Place,
    Unreachable,
    UrlRules,
    check_addresses,
    literal_of,
    place_of,
)

REDIRECTS = (301, 302, 303, 307, 308)


class GuardedCaller:
    """core.guard.Caller. No proxy, no cookie, no netrc, no connection kept; at most `seconds` and `size` bytes.

    The name is looked up once and the connection goes to what was found, so a name that changes its
    address between the check and the call (DNS rebinding) gains nothing. TLS still proves the name.
    """

    def __init__(
        self,
        rules: UrlRules,
        *,
        seconds: float = 15.0,
        size: int = 1024,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.rules = rules
        self.seconds = seconds
        self.size = size
        self.tls = tls or ssl.create_default_context()

    def check(self, url: str) -> None:
        place = place_of(url, self.rules)
        with suppress(Unreachable):
            self._addresses(place)

    def call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        redirects: int = 0,
    ) -> Answer:
        end = time.monotonic() + self.seconds
        answer = self._once(method, url, headers, body, end)
        while redirects and answer.status in REDIRECTS and "location" in answer.headers:
            redirects -= 1
            url = urljoin(url, answer.headers["location"])
            answer = self._once(method, url, headers, body, end)
        return answer

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, end: float
    ) -> Answer:
        place = place_of(url, self.rules)
        addresses = self._addresses(place)
        try:
            with self._connected(place, addresses, end) as connection:
                return self._ask(connection, method, place, headers, body, end)
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(f"the certificate does not prove {place.host}") from error
        except (OSError, HTTPException, ValueError) as error:
            late = time.monotonic() >= end
            why = "no whole answer in time" if late else f"the call failed ({type(error).__name__})"
            raise Unreachable(why) from error

    def _ask(
        self,
        connection: HTTPConnection,
        method: str,
        place: Place,
        headers: Mapping[str, str],
        body: bytes,
        end: float,
    ) -> Answer:
        told = {"Host": place.authority, "Connection": "close", **headers}
        connection.request(method, place.path, body, told)
        response = connection.getresponse()
        if time.monotonic() >= end:  # a head that was cut looks like one that ended
            raise TimeoutError
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, response.read(self.size))

    def _addresses(self, place: Place) -> list[Address]:
        found = [place.host] if literal_of(place.host) else resolved(place.host, place.port)
        return check_addresses(found, place, self.rules)

    @contextmanager
    def _connected(
        self, place: Place, addresses: Sequence[Address], end: float
    ) -> Generator[HTTPConnection]:
        """A connection that is cut when its time is over, however slowly the other side drips."""
        line = _first_open(addresses, place.port, end)
        if place.secure:  # without the handshake: that may drip as well
            line = self.tls.wrap_socket(
                line, server_hostname=place.host, do_handshake_on_connect=False
            )
        guillotine = threading.Timer(max(0.0, end - time.monotonic()), _cut, [line])
        guillotine.daemon = True
        guillotine.start()
        connection = HTTPConnection(place.host, place.port)
        try:
            line.settimeout(self.seconds + 1.0)
            if isinstance(line, ssl.SSLSocket):
                line.do_handshake()
            connection.sock = line
            yield connection
        finally:
            guillotine.cancel()
            connection.close()
            line.close()


def resolved(host: str, port: int) -> list[str]:
    """Every address that the host has."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable("the host is not found") from error
    return [str(info[4][0]) for info in found]


def _first_open(addresses: Sequence[Address], port: int, end: float) -> socket.socket:
    """The first address that takes the connection. Each gets an equal share of the time that is left."""
    failure: OSError = TimeoutError("no time left")
    for n, address in enumerate(addresses):
        share = (end - time.monotonic()) / (len(addresses) - n)
        if share <= 0:
            break
        try:
            return socket.create_connection((str(address), port), timeout=share)
        except OSError as error:
            failure = error
    raise failure


def _cut(line: socket.socket) -> None:
    """Below TLS, whose own shutdown would have to wait its turn."""
    with suppress(OSError):
        socket.socket.shutdown(line, socket.SHUT_RDWR)

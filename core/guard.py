"""The guard of every URL that a user can make us fetch: what may be asked for, and which addresses may be called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Protocol
from urllib.parse import urlsplit

from core.errors import BadInput, ServiceUnavailable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST = 2048
HOST = re.compile(
    r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?\.?"
)
"""A name in ASCII. Its last label begins with a letter, so that 0x7f.1 and 2130706433 are no names."""
UNSAFE = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\]")
DEFAULT_PORTS = {"https": 443, "http": 80}

# What `is_global` takes for public, or knows in some versions of Python only.
CLOSED = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT
        "168.63.129.16/32",  # Azure's platform: DNS, health probes, the guest agent
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "64:ff9b::/96",  # IPv4 inside IPv6: whatever the gateway makes of it
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2002::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
METADATA = tuple(
    ip_network(text)
    for text in ("169.254.0.0/16", "168.63.129.16/32", "fe80::/10", "fd00:ec2::/32")
)
"""Where clouds hand out credentials. No setting opens them."""


class UrlRefused(BadInput):
    """The URL may not be called from here."""

    code = "url_refused"


class Unreachable(ServiceUnavailable):
    """The other side could not be reached, or did not answer in time."""

    code = "unreachable"


@dataclass(frozen=True, slots=True)
class UrlRules:
    """What an installation allows."""

    plain_http: bool = False
    networks: tuple[Network, ...] = ()
    """Networks that may be called though they are not public, on any port."""
    ports: frozenset[int] = frozenset({443, 8443})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads, as far as the URL tells."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def secure(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def place_of(url: str, rules: UrlRules) -> Place:
    """The place a URL names. Refuses what different programs would read differently."""
    if len(url) > LONGEST:
        raise UrlRefused(f"a URL may have {LONGEST} characters")
    if UNSAFE.search(url):
        raise UrlRefused("a URL holds ASCII without spaces and backslashes; quote the others")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused("this is no URL") from None
    if parts.scheme not in (DEFAULT_PORTS if rules.plain_http else ("https",)):
        raise UrlRefused("the URL must begin with https://" + (" or http://" * rules.plain_http))
    if "@" in parts.netloc:
        raise UrlRefused("a URL with a user name or password is not called")
    host = _host(parts.hostname or "")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], path)


def _host(name: str) -> str:
    literal = literal_of(name)
    if literal is not None:
        return str(literal)
    if not HOST.fullmatch(name):
        raise UrlRefused(
            "the URL names no host; write addresses as 192.0.2.1 or [2001:db8::1], and other scripts as xn--"
        )
    return name.rstrip(".")


def literal_of(host: str) -> Address | None:
    """The address a host is written as, if it is one."""
    try:
        return None if "%" in host else ip_address(host)
    except ValueError:
        return None


def check_addresses(found: Iterable[str], place: Place, rules: UrlRules) -> list[Address]:
    """The addresses that the host has, if every one of them may be called: one bad apple spoils them all."""
    addresses = [_plain(ip_address(text.partition("%")[0])) for text in found]
    if not addresses:
        raise Unreachable("the host has no address")
    if not all(_is_open(address, place.port, rules) for address in addresses):
        raise UrlRefused("the URL leads to an address or a port that may not be called from here")
    return addresses


def _plain(address: Address) -> Address:
    """IPv4 in the clothes of IPv6 is IPv4."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _is_open(address: Address, port: int, rules: UrlRules) -> bool:
    if _is_in(address, METADATA):
        return False
    if _is_in(address, rules.networks):
        return True
    known = port in rules.ports or (port == 80 and rules.plain_http)
    return known and address.is_global and not _is_in(address, CLOSED)


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said: the status, headers by their lower-case names, and how its body begins."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Caller(Protocol):
    """Calls URLs that users have given, past the guard."""

    def check(self, url: str) -> None:
        """Raises UrlRefused when the URL would not be called. A host that is not found now may be later."""
        ...

    def call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        redirects: int = 0,
    ) -> Answer:
        """Raises UrlRefused, or Unreachable. Redirects beyond those allowed are answers like others."""
        ...

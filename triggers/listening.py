"""Who may call, given where this process listens: without identity it listens on loopback or not at all."""

from __future__ import annotations

import ipaddress
import socket
from enum import StrEnum

from core.errors import CoreMachineError


class Mode(StrEnum):
    """Who may call."""

    REQUIRED = "required"
    """Who is known, by an API key or a token."""
    LOCAL = "local"
    """Every program of this machine, and nobody else."""
    OPEN = "open"
    """Everybody."""
    UNDECIDED = "undecided"
    """Nobody has said; so nobody."""


class UnsafeAddress(CoreMachineError):
    """This process would be open to the network, and nobody has said that it may."""

    code = "unsafe_address"


def mode_for(given: str | None, *, has_issuer: bool, host: str | None) -> Mode:
    """What the setting says, else what is safe. `host`: where this process listens; None: a platform does it."""
    if given is not None and (given != Mode.LOCAL or host is None or is_ours(host)):
        return Mode(given)
    if given is None and has_issuer:
        return Mode.REQUIRED
    if host is None:
        return Mode.UNDECIDED
    if is_ours(host):
        return Mode.LOCAL
    raise UnsafeAddress(
        f"{host} can be reached from outside, where every caller must be known: set CM_IDENTITY=required and make a key "
        "with python -m triggers.keys, or set CM_ENTRA_TENANT. CM_IDENTITY=open lets everybody do everything."
    )


def is_ours(host: str) -> bool:
    """Whether whoever listens there is heard by this machine alone."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(is_loopback(str(address[0])) for *_, address in found)


def is_loopback(host: str) -> bool:
    """Whether this is a name or address that never leaves the machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False

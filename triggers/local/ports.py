"""Loopback ports: which are free, which are taken, which one a service keeps."""

import random
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from core.errors import Conflict

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes the local ends of outgoing connections.
OURS = range(20_000, 32_000)


def taken(port: int) -> bool:
    """Does anything listen there?"""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def free() -> int:
    """A port nothing listens on."""
    port = random.choice(OURS)  # noqa: S311
    return free() if taken(port) else port


def kept(folder: Path, wanted: int | None) -> int:
    """The port of the service in `folder`: the one asked for, else the one it had before, else a free one."""
    remembered = folder / "port"
    if wanted is None and remembered.exists():
        return int(remembered.read_text())
    return wanted or free()


def settle(folder: Path, port: int, wanted: int | None) -> int:
    """The port to start on. Only a port nobody asked for is exchanged when it turns out to be taken."""
    if taken(port):
        if wanted is not None:
            raise Conflict(f"port {port} is taken by another program")
        port = free()
    (folder / "port").write_text(str(port))
    return port


def status_of(port: int, path: str = "/") -> int | None:
    """The HTTP status that path answers with; None if nothing answers."""
    connection = HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()

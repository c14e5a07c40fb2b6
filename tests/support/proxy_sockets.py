"""Sockets that refuse, reset and lose packets on demand, without any right of root."""

import ctypes
import socket
import struct
from contextlib import suppress

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
RETURN_ZERO = struct.pack("HBBI", 0x06, 0, 0, 0)


def open_port(host: str, port: int) -> socket.socket:
    """A bound socket. While it does not listen, the port is ours and refuses connections."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.setblocking(False)
    return sock


def open_client(host: str) -> socket.socket:
    """A socket for a server's host; a host that is a directory holds unix sockets."""
    if host.startswith("/"):
        sock = socket.socket(socket.AF_UNIX)
    else:
        sock = socket.socket()
        talk_at_once(sock)
    sock.setblocking(False)
    return sock


def talk_at_once(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def close_with_reset(sock: socket.socket) -> None:
    """Closing this socket, from now on, is a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drop_packets(sock: socket.socket) -> None:
    """A packet filter that accepts nothing: the kernel forgets packets, and acknowledges none."""
    program = ctypes.create_string_buffer(RETURN_ZERO)
    pointer = struct.pack("@HP", 1, ctypes.addressof(program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)


def pass_packets(sock: socket.socket) -> None:
    with suppress(FileNotFoundError):  # no filter was attached
        sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)

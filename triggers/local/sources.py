"""A stand-in for the places on the internet that jobs read from: `python -m triggers.local.sources`.

It answers for every host, at `/{host}/{path}`, with ranges as object stores have them. Latency,
bandwidth and faults can be switched on, for tests and benchmarks.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

LOOPBACK = "127.0.0.1"
RANGE = re.compile(r"bytes=(\d+)-(\d*)")
PIECE = 256 << 10
PATIENCE = 120.0
"""Seconds that a busy machine may take to start it, or to end it."""


class Bytes(Protocol):
    """A file that need not exist as a whole."""

    @property
    def size(self) -> int: ...
    def read(self, start: int, end: int) -> bytes: ...


@dataclass(frozen=True)
class Memory:
    """Bytes that are at hand."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, start: int, end: int) -> bytes:
        return self.data[start:end]


Find = Callable[[str], Bytes | bytes | None]
"""What lies at `host/path`."""


@dataclass
class Fault:
    """What goes wrong at addresses that a pattern fits, so many times."""

    where: str
    status: int = 0
    """Answer this, in place of the file."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    ignores_range: bool = False
    """Send all of the file, with 200."""
    cut: int = 0
    """Close the connection so many bytes before the end."""
    change: Callable[[bytes], bytes] | None = None
    """Send something else than the bytes that were asked for."""
    body: bytes | None = None
    times: int = 1_000_000


@dataclass
class Stand:
    """A running server: what it was asked, and what shall go wrong."""

    find: Find
    latency: float = 0.0
    """Seconds before every answer."""
    speed: float = 0.0
    """Bytes a second of one connection; 0: as fast as it can."""
    port: int = 0
    faults: list[Fault] = field(default_factory=list[Fault])
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Path and range of every request."""
    sent: int = 0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def requests(self, pattern: str) -> int:
        return sum(bool(re.search(pattern, path)) for path, _ in self.asked)

    def repeated(self) -> dict[tuple[str, str], int]:
        """What was asked for more than once."""
        return {key: count for key, count in Counter(self.asked).items() if count > 1}

    def forget(self) -> None:
        self.asked.clear()
        self.sent = 0

    def fault_of(self, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.where, path):
                fault.times -= 1
                return fault
        return None


class _Line:
    """One connection."""

    def __init__(
        self, stand: Stand, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.stand, self.reader, self.writer = stand, reader, writer
        self.head = False
        """Whether only the head of an answer is asked for."""

    async def serve(self) -> None:
        try:
            while (path := await self._request()) is not None:
                if not await self._answer(*path):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return  # the other side went, or the server ends
        finally:
            self.writer.close()

    async def _request(self) -> tuple[str, str] | None:
        head = (
            await self.reader.readuntil(b"\r\n\r\n") if not self.reader.at_eof() else b""
        ).decode()
        if not head:
            return None
        first, *lines = head.split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines) if v}
        method, path = first.split(" ")[:2]
        self.head, path = method == "HEAD", path.partition("?")[0].lstrip("/")
        return path, headers.get("range", "")

    async def _answer(self, path: str, wanted: str) -> bool:
        """Whether the connection goes on."""
        stand = self.stand
        stand.asked.append((path, wanted))
        if stand.latency:
            await asyncio.sleep(stand.latency)
        fault = stand.fault_of(path)
        if fault is not None and (fault.status or fault.body is not None):
            return await self._say(fault.status or 200, fault.body or b"", fault.headers)
        found = await asyncio.to_thread(stand.find, path)
        if found is None:
            return await self._say(404, b"there is nothing", {})
        return await self._send(Memory(found) if isinstance(found, bytes) else found, wanted, fault)

    async def _send(self, file: Bytes, wanted: str, fault: Fault | None) -> bool:
        asked = RANGE.fullmatch(wanted)
        if asked is None or (fault is not None and fault.ignores_range):
            return await self._stream(200, file, 0, file.size, {}, fault)
        start = int(asked[1])
        end = min(int(asked[2]) + 1 if asked[2] else file.size, file.size)
        if start >= end:
            return await self._say(416, b"", {"Content-Range": f"bytes */{file.size}"})
        told = {"Content-Range": f"bytes {start}-{end - 1}/{file.size}"}
        return await self._stream(206, file, start, end, told, fault)

    async def _say(self, status: int, body: bytes, headers: dict[str, str]) -> bool:
        return await self._stream(status, Memory(body), 0, len(body), headers, None)

    async def _stream(
        self,
        status: int,
        file: Bytes,
        start: int,
        end: int,
        headers: dict[str, str],
        fault: Fault | None,
    ) -> bool:
        told = {"Content-Length": str(end - start), "Accept-Ranges": "bytes", **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        self.writer.write(f"HTTP/1.1 {status} -\r\n{head}\r\n".encode())
        stop = start if self.head else end - (fault.cut if fault else 0)
        whole = None
        if fault is not None and fault.change is not None:
            whole = fault.change(file.read(start, end))
        for at in range(start, stop, PIECE):
            last = min(at + PIECE, stop)
            if whole is not None:
                piece = whole[at - start : last - start]
            else:
                piece = await asyncio.to_thread(file.read, at, last)
            self.stand.sent += len(piece)
            self.writer.write(piece)
            await self.writer.drain()
            if self.stand.speed:
                await asyncio.sleep(len(piece) / self.stand.speed)
        await self.writer.drain()
        return self.head or stop == end


async def serve(stand: Stand, ready: Callable[[], None] = lambda: None) -> None:
    """Answer until cancelled."""

    async def line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Line(stand, reader, writer).serve()

    server = await asyncio.start_server(line, LOOPBACK, stand.port)
    stand.port = server.sockets[0].getsockname()[1]
    ready()
    async with server:
        await server.serve_forever()


@contextmanager
def standing(find: Find, *, latency: float = 0.0, speed: float = 0.0) -> Generator[Stand]:
    """A server in a thread of this process."""
    stand = Stand(find, latency=latency, speed=speed)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    task = loop.create_task(serve(stand, ready.set))

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        for each in asyncio.all_tasks(loop):
            each.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=run, name="sources", daemon=True)
    thread.start()
    if not ready.wait(PATIENCE):
        raise TimeoutError("the made-up earth does not answer")
    try:
        yield stand
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(PATIENCE)


def earth(
    real: Path | None = None, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Find:
    """Everything that is made up: forecasts, and the terrain, land cover and fires of any place."""
    from services.fire import sample as fires  # noqa: PLC0415 - slow to import
    from services.landcover import sample as landcover  # noqa: PLC0415
    from services.terrain import sample as terrain  # noqa: PLC0415
    from services.weather.sample.archive import Archive  # noqa: PLC0415

    finds: list[Find] = [Archive(now, real).find, terrain.find, landcover.find, fires.find]
    return lambda path: next((found for find in finds if (found := find(path))), None)


def main(arguments: list[str] | None = None) -> int:
    """Serve the made-up earth until stopped."""
    parser = argparse.ArgumentParser(prog="python -m triggers.local.sources", description=__doc__)
    parser.add_argument("--port", type=int, default=7079, help="where to listen (default 7079)")
    parser.add_argument("--real", type=Path, help="a folder of real inventories to offer as well")
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds before an answer")
    parser.add_argument(
        "--speed", type=float, default=0.0, help="megabytes a second per connection"
    )
    asked = parser.parse_args(arguments)
    stand = Stand(earth(asked.real), asked.latency / 1e3, asked.speed * 1e6, asked.port)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(stand))
    return 0


if __name__ == "__main__":
    sys.exit(main())

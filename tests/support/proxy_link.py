"""One client of the fault proxy, its own connection to the server, and what passes between."""

import asyncio
import socket

from tests.support.proxy_faults import AFTER, BEFORE, Conditions, Cut, Fault, Kind
from tests.support.proxy_sockets import close_with_reset, open_client
from tests.support.proxy_wire import (
    WITHOUT_TYPE,
    Conversation,
    Framer,
    Progress,
    Statement,
    wants_encryption,
)

CHUNK = 1 << 18


class Link:
    """A pair of connections that lives until one side, or a fault, ends it."""

    task: "asyncio.Task[None]"

    def __init__(self, conditions: Conditions, client: socket.socket) -> None:
        self._now = conditions
        self._loop = asyncio.get_running_loop()
        self._client = client
        self.sockets = [client]
        self._talk = Conversation()
        self._marked: dict[Statement, Fault] = {}
        self._held: list[bytes] = []
        self._holding: tuple[Statement, Fault] | None = None

    async def run(self) -> None:
        try:
            await self._now.flow.wait()
            self._server = await self._connect()
            await self._pump()
        except OSError:
            pass  # the server refuses: so does the proxy, by hanging up
        finally:
            for sock in self.sockets:
                sock.close()

    def reset(self) -> None:
        for sock in self.sockets:
            close_with_reset(sock)
        self.task.cancel()

    async def _connect(self) -> socket.socket:
        host, port = self._now.upstream
        server = open_client(host)
        self.sockets.append(server)
        unix = server.family == socket.AF_UNIX
        await self._loop.sock_connect(server, f"{host}/.s.PGSQL.{port}" if unix else (host, port))
        return server

    async def _pump(self) -> None:
        self._down = self._loop.create_task(self._pump_down())
        up = self._loop.create_task(self._pump_up())
        try:
            await asyncio.wait({up, self._down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await stop(up, self._down)

    async def _pump_up(self) -> None:
        framer = Framer(greeting=True)
        while data := await self._receive(self._client):
            ready = bytearray()
            for kind, message in framer.feed(data):
                if kind == WITHOUT_TYPE and wants_encryption(message):
                    await self._send(self._client, b"N")
                    continue
                statement = self._talk.client_says(kind, message)
                if statement is not None:
                    await self._before(statement, ready)
                ready += message
            try:
                await self._send(self._server, ready)
            except OSError:
                await asyncio.wait({self._down})  # its last words still go to the client
                return

    async def _before(self, statement: Statement, ready: bytearray) -> None:
        """The moment a statement is about to go to the server."""
        if caller := self._now.fault_for(statement, {Kind.CALLBACK}):
            await self._send(self._server, ready)
            ready.clear()
            await call_back(caller)
        if fault := self._now.fault_for(statement, BEFORE):
            strike(fault)
        if fault := self._now.fault_for(statement, AFTER):
            self._marked[statement] = fault

    async def _pump_down(self) -> None:
        framer = Framer()
        while data := await self._receive(self._server):
            ready: list[bytes] = []
            try:
                for kind, message in framer.feed(data):
                    ready += self._answer(kind, message)
            finally:
                await self._deliver(b"".join(ready))

    async def _deliver(self, replies: bytes) -> None:
        if self._now.delay:
            await asyncio.sleep(self._now.delay)
        await self._send(self._client, replies)

    def _answer(self, kind: bytes, message: bytes) -> list[bytes]:
        """What goes to the client now that the server has said this."""
        statement, progress = self._talk.server_says(kind, message)
        fault = self._marked.get(statement) if statement is not None else None
        if progress is Progress.COMMITTED:
            self._now.commits += 1
            strike_if(fault, Kind.AFTER_COMMIT)
        if statement is not None and fault is not None and fault.kind is Kind.AFTER_REPLY:
            self._holding = self._holding or (statement, fault)
        if progress in (Progress.IDLE, Progress.IN_TRANSACTION):
            return [*self._release(progress), message]
        if self._holding is not None:
            self._held.append(message)
            return []
        return [message]

    def _release(self, progress: Progress) -> list[bytes]:
        """The server is ready: lose the answer held back, or let it go."""
        if self._holding is not None:
            statement, fault = self._holding
            if progress is Progress.IDLE and not statement.failed:
                strike_if(fault, Kind.AFTER_REPLY)
        held, self._held, self._holding = self._held, [], None
        if not self._talk.unanswered:
            self._marked.clear()
        return held

    async def _receive(self, sock: socket.socket) -> bytes:
        await self._now.flow.wait()
        return await self._loop.sock_recv(sock, CHUNK)

    async def _send(self, sock: socket.socket, data: bytes | bytearray) -> None:
        await self._now.flow.wait()
        while data and (rate := self._now.rate):
            piece = max(1, int(rate / 50))
            await self._loop.sock_sendall(sock, data[:piece])
            data = data[piece:]
            await asyncio.sleep(piece / rate)
            await self._now.flow.wait()
        await self._loop.sock_sendall(sock, data)


async def call_back(fault: Fault) -> None:
    fault.take()  # nobody else may call while this call runs
    await asyncio.to_thread(fault.call)
    if fault.error is not None:
        raise Cut from fault.error


def strike(fault: Fault) -> None:
    fault.take()
    fault.struck()
    raise Cut


def strike_if(fault: Fault | None, kind: Kind) -> None:
    if fault is not None and fault.kind is kind and fault.left > 0:
        strike(fault)


async def stop(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception) and not isinstance(ended, Cut | OSError):
            raise ended

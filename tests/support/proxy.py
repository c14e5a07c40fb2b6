"""A TCP proxy in front of PostgreSQL that breaks connections at the worst moment."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.proxy_faults import Conditions, Fault, Kind
from tests.support.proxy_link import Link
from tests.support.proxy_sockets import drop_packets, open_port, pass_packets, talk_at_once

NO_ENCRYPTION = {"sslmode": "disable", "gssencmode": "disable"}
URL_PARTS = ("user", "password", "host", "port", "dbname")
Words = str | bytes | None


@contextmanager
def fault_proxy(upstream_host: str, upstream_port: int) -> Iterator["FaultProxy"]:
    """A proxy on a port of its own, gone at the end. A host that is a directory is a unix socket."""
    with closing(FaultProxy(upstream_host, upstream_port)) as proxy:
        yield proxy


class FaultProxy:
    """Every method may be called at any time, from any thread, and takes effect at once.

    `when` names words that stand in the text of a statement, comments included. The cuts around a
    commit look for them anywhere in its transaction. What is armed strikes `n` times and says so:
    `fault.hits`, `fault.wait()`.
    """

    def __init__(self, upstream_host: str, upstream_port: int) -> None:
        self.connections = 0
        self._now = Conditions(upstream_host, upstream_port)
        self._links: set[Link] = set()
        self._callbacks: list[Fault] = []
        self._reserved = open_port("127.0.0.1", 0)
        self.host, self.port = self._reserved.getsockname()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="fault-proxy", daemon=True
        )
        self._thread.start()
        self._do(self._listen)

    @property
    def commits(self) -> int:
        """How many commits the server has answered, delivered or not."""
        return self._now.commits

    def dsn(self, original: str) -> str:
        """The same connection string, through the proxy; a URL stays a URL."""
        return redirect(original, self.host, self.port)

    def cut_after_commit(self, n: int = 1, when: Words = None) -> Fault:
        """The server has committed; the answer is lost."""
        return self._arm(Fault(Kind.AFTER_COMMIT, as_bytes(when), n))

    def cut_before_commit(self, n: int = 1, when: Words = None) -> Fault:
        """The server never hears of the COMMIT."""
        return self._arm(Fault(Kind.BEFORE_COMMIT, as_bytes(when), n))

    def cut_before_statement(self, n: int = 1, when: Words = None) -> Fault:
        """The server never hears of the statement."""
        return self._arm(Fault(Kind.BEFORE_STATEMENT, as_bytes(when), n))

    def cut_after_reply(self, n: int = 1, when: Words = None) -> Fault:
        """An autocommit statement has succeeded; the answer is lost.

        Strikes when the server reports itself idle. A statement inside a transaction, or one that
        failed, passes.
        """
        return self._arm(Fault(Kind.AFTER_REPLY, as_bytes(when), n))

    def on_text(self, pattern: str | bytes, callback: Callable[[], object], n: int = 1) -> Fault:
        """Call back before a statement with these words goes to the server; it waits meanwhile."""
        fault = self._arm(Fault(Kind.CALLBACK, as_bytes(pattern), n, callback))
        self._callbacks.append(fault)
        return fault

    def blackhole(self) -> None:
        """Half-open: nothing moves, nobody hangs up. The kernel still acknowledges what it gets."""
        self._do(self._now.flow.clear)

    def unplug(self) -> None:
        """As a pulled cable: packets of both sides vanish unacknowledged, SYN included."""
        self._do(self._unplug)

    def latency(self, milliseconds: float) -> None:
        """Hold back every reply this long."""
        self._now.delay = milliseconds / 1000

    def drip(self, bytes_per_second: float) -> None:
        """Let bytes through this slowly, in both directions."""
        self._now.rate = bytes_per_second

    def refuse(self) -> None:
        """New connections get ECONNREFUSED; the ones that are there stay."""
        self._do(self._stop_listening)

    def reset_all(self) -> None:
        """Every connection ends with a TCP reset, on both sides."""
        self._do(lambda: [link.reset() for link in list(self._links)])

    def retarget(self, host: str, port: int) -> None:
        """New connections go to another server."""
        self._now.upstream = (host, port)

    def heal(self) -> None:
        """Every fault off, the armed ones too. What a blackhole swallowed goes on its way."""
        self._do(self._heal)

    def close(self) -> None:
        """Hang up on everybody, and raise what a callback has raised."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(timeout=120)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._reserved.close()
        for error in (fault.error for fault in self._callbacks if fault.error):
            raise error

    def _arm(self, fault: Fault) -> Fault:
        self._do(lambda: self._now.faults.append(fault))
        return fault

    def _do(self, act: Callable[[], object]) -> None:
        async def run() -> None:
            act()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=120)

    def _listen(self) -> None:
        self._listening = True
        self._listener = open_port(self.host, self.port)
        self._listener.listen(512)
        self._accepting = self._loop.create_task(self._accept(self._listener))

    def _stop_listening(self) -> None:
        if self._listening:
            self._listening = False
            self._accepting.cancel()
            self._loop.call_soon(self._listener.close)  # after the task has let go of it

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            client, _ = await self._loop.sock_accept(listener)
            talk_at_once(client)
            self.connections += 1
            link = Link(self._now, client)
            self._links.add(link)
            link.task = self._loop.create_task(link.run())
            link.task.add_done_callback(lambda _, ended=link: self._links.discard(ended))

    def _unplug(self) -> None:
        self._now.flow.clear()
        for sock in self._sockets():
            drop_packets(sock)

    def _heal(self) -> None:
        for sock in self._sockets():
            pass_packets(sock)
        self._now.heal()
        if not self._listening:
            self._listen()

    def _sockets(self) -> Iterator[socket.socket]:
        if self._listening:
            yield self._listener
        for link in self._links:
            yield from (sock for sock in link.sockets if sock.fileno() >= 0)

    async def _shut(self) -> None:
        self._stop_listening()
        tasks = [link.task for link in self._links]
        for task in tasks:
            task.cancel()
        await asyncio.gather(self._accepting, *tasks, return_exceptions=True)
        await self._loop.shutdown_default_executor()


def as_bytes(words: Words) -> bytes | None:
    return words.encode() if isinstance(words, str) else words


def redirect(dsn: str, host: str, port: int) -> str:
    """A connection string with another address, unencrypted so that the proxy can read along."""
    given = {**conninfo_to_dict(dsn), "host": host, "port": port, **NO_ENCRYPTION}
    given.pop("hostaddr", None)
    if "://" not in dsn:
        return make_conninfo(**given)
    parts = {key: quote(str(given.pop(key)), safe="") for key in URL_PARTS if key in given}
    user = ":".join(parts[key] for key in ("user", "password") if key in parts)
    place = f"{user}@{host}:{port}" if user else f"{host}:{port}"
    return f"postgresql://{place}/{parts.get('dbname', '')}?{urlencode(given, quote_via=quote)}"

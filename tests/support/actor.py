"""One session of an interleaving: a thread that moves only when it is told to."""

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from inspect import isgeneratorfunction

import psycopg

Play = Callable[[psycopg.Connection], object]
here = threading.local()


class Abandoned(BaseException):
    """Raised inside an actor whose play is over before its end."""


class SteppedConnection(psycopg.Connection):
    """Pauses before every round trip, where an actor that is a plain function uses it."""

    def wait(self, *args, **options):
        actor: Actor | None = getattr(here, "actor", None)
        if actor is not None:
            actor.pid = self.pgconn.backend_pid
            if actor.stepping:
                actor.pause()
        return super().wait(*args, **options)


def pause() -> None:
    """Let the others move. Does nothing outside of an exploration."""
    actor: Actor | None = getattr(here, "actor", None)
    if actor is not None:
        actor.pause()


class Actor:
    """A play on a session of its own. One thread tells it to go and then asks whether it is done."""

    def __init__(self, name: str, play: Play, session: psycopg.Connection) -> None:
        self.name = name
        self.step = 0
        self.waiting = False
        self.ended = False
        self.result: object = None
        self.error: BaseException | None = None
        self.stepping = not isgeneratorfunction(play)
        self.pid = session.pgconn.backend_pid
        self._play = play
        self._session = session
        self._fresh = True
        self._abandoned = False
        self._may_go = threading.Semaphore(0)
        self._is_done = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=f"actor {name}", daemon=True)
        self._thread.start()

    @property
    def free(self) -> bool:
        return not (self.waiting or self.ended)

    def go(self) -> None:
        self.step += 1
        self._may_go.release()

    def done(self, seconds: float) -> bool:
        """Whether the step is over. True once for every `go`."""
        return self._is_done.acquire(timeout=seconds) if seconds else self._is_done.acquire(False)

    def pause(self) -> None:
        """The end of a step, on the actor's own thread; the first step begins without one."""
        if self._fresh:
            self._fresh = False
            return
        self._is_done.release()
        self._await_turn()

    def abandon(self) -> None:
        self._abandoned = True
        self._may_go.release()

    def join(self) -> None:
        self._thread.join(120)

    def _await_turn(self) -> None:
        self._may_go.acquire()
        if self._abandoned:
            self.stepping = False
            raise Abandoned

    def _run(self) -> None:
        here.actor = self
        try:
            self._await_turn()
            self.result = self._perform()
        except Abandoned:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self._let_go()
            self.ended = True
            self._is_done.release()

    def _perform(self) -> object:
        if self.stepping:
            return self._play(self._session)
        self._fresh = False
        play = self._play(self._session)
        assert isinstance(play, Generator)
        with closing(play):
            while True:
                try:
                    next(play)
                except StopIteration as end:
                    return end.value
                self.pause()

    def _let_go(self) -> None:
        """What a session that ends gives back: its transaction and its session locks."""
        self.stepping = False
        if not self._session.closed:
            self._session.rollback()
            self._session.autocommit = True
            self._session.execute("SELECT pg_advisory_unlock_all()")
            self._session.autocommit = False

"""Follow both sides of one PostgreSQL connection, as far as a fault has to know them."""

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
WITHOUT_TYPE = b""


class Framer:
    """Cut a byte stream into whole messages. What a client says first carries no type byte."""

    def __init__(self, *, greeting: bool = False) -> None:
        self._greeting = greeting
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield (type, whole message) for every message that is complete now."""
        data, at = self._rest + data, 0
        while True:
            typed = 0 if self._greeting else 1
            if len(data) - at < typed + 4:
                break
            end = at + typed + struct.unpack_from("!I", data, at + typed)[0]
            if len(data) < end:
                break
            message = data[at:end]
            at = end
            if self._greeting:
                self._greeting = wants_encryption(message)
                yield WITHOUT_TYPE, message
            else:
                yield message[:1], message
        self._rest = data[at:]


def wants_encryption(greeting: bytes) -> bool:
    """Whether this is an offer to encrypt, which is answered with one byte and then repeated."""
    return len(greeting) == 8 and struct.unpack_from("!I", greeting, 4)[0] in (
        SSL_REQUEST,
        GSS_REQUEST,
    )


@dataclass(eq=False)
class Statement:
    """One statement on its way: its text, and every text of its transaction so far."""

    text: bytes
    transaction: list[bytes]
    simple: bool
    failed: bool = False

    @property
    def commits(self) -> bool:
        return verb(self.text) in (b"COMMIT", b"END")

    def mentions(self, words: bytes | None) -> bool:
        return words is None or words in self.text

    def follows(self, words: bytes | None) -> bool:
        """Whether the words stand anywhere in the transaction, up to here."""
        return words is None or any(words in text for text in self.transaction)


class Progress(Enum):
    """What a message of the server says about the statement it answers."""

    REPLIES = auto()
    COMMITTED = auto()
    IDLE = auto()
    IN_TRANSACTION = auto()


@dataclass
class Conversation:
    """Which statements the client has sent, and which of them the server is answering.

    Only the first word of a simple query is looked at: a COMMIT hidden behind a semicolon is not
    seen. Clients send theirs alone.
    """

    prepared: dict[bytes, bytes] = field(default_factory=dict)
    portals: dict[bytes, bytes] = field(default_factory=dict)
    transaction: list[bytes] = field(default_factory=list)
    open: bool = False
    unanswered: deque[Statement | None] = field(default_factory=deque)  # None is a Sync

    def client_says(self, kind: bytes, message: bytes) -> Statement | None:
        """Take note of a message of the client; the statement, if it runs one."""
        match kind:
            case b"Q" | b"F":
                return self._run(message[5:-1] if kind == b"Q" else b"", simple=True)
            case b"P":
                name, text = message[5:].split(b"\0", 2)[:2]
                self.prepared[name] = text
            case b"B":
                portal, name = message[5:].split(b"\0", 2)[:2]
                self.portals[portal] = self.prepared.get(name, b"")
            case b"E":
                portal = message[5:].split(b"\0", 1)[0]
                return self._run(self.portals.get(portal, b""), simple=False)
            case b"S":
                self._sync()
            case _:
                pass
        return None

    def server_says(self, kind: bytes, message: bytes) -> tuple[Statement | None, Progress]:
        """The statement a message of the server belongs to, and how far the server is with it."""
        if kind == b"Z":
            return None, self._ready(idle=message[5:6] == b"I")
        statement = self.unanswered[0] if self.unanswered else None
        if statement is None or kind in (b"N", b"S", b"A"):  # notices may come at any time
            return None, Progress.REPLIES
        match kind:
            case b"C" | b"I" | b"s":
                return statement, self._answered(statement, tag=message[5:])
            case b"E":
                self._failed(statement)
            case b"G" if not statement.simple:
                self.unanswered.remove(None)  # the server ignores a Sync while it takes a COPY
            case _:
                pass
        return statement, Progress.REPLIES

    def _run(self, text: bytes, *, simple: bool) -> Statement:
        word = verb(text)
        if word in (b"BEGIN", b"START"):
            self.open, self.transaction = True, []
        elif simple and not self.open:
            self.transaction = []
        self.transaction.append(text)
        statement = Statement(text, self.transaction, simple)
        if word in (b"COMMIT", b"END", b"ABORT") or is_full_rollback(text):
            self.open, self.transaction = False, []
        self.unanswered.append(statement)
        return statement

    def _sync(self) -> None:
        self.unanswered.append(None)
        if not self.open:
            self.transaction = []

    def _answered(self, statement: Statement, tag: bytes) -> Progress:
        if not statement.simple:
            self.unanswered.popleft()
        committed = statement.commits and tag.startswith(b"COMMIT")
        return Progress.COMMITTED if committed else Progress.REPLIES

    def _failed(self, statement: Statement) -> None:
        """After an error the server skips everything up to the next Sync."""
        statement.failed = True
        while not statement.simple and self.unanswered and self.unanswered[0] is not None:
            self.unanswered.popleft()

    def _ready(self, *, idle: bool) -> Progress:
        while self.unanswered:
            answered = self.unanswered.popleft()
            if answered is None or answered.simple:
                break
        if idle and not self.unanswered:
            self.open, self.transaction = False, []
        return Progress.IDLE if idle else Progress.IN_TRANSACTION


def verb(text: bytes) -> bytes:
    """The first word of a statement, behind the comments that may stand before it."""
    text = text.lstrip()
    while text.startswith((b"--", b"/*")):
        _, _, text = text.partition(b"\n" if text.startswith(b"--") else b"*/")
        text = text.lstrip()
    word = text[:9].split(maxsplit=1)[:1]
    return word[0].rstrip(b";").upper() if word else b""


def is_full_rollback(text: bytes) -> bool:
    """Whether the statement ends the transaction; ROLLBACK TO only goes back to a savepoint."""
    return verb(text) == b"ROLLBACK" and b" TO " not in text.upper()

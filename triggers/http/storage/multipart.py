"""Read a form with one file in it as it arrives: nothing of the file stays in memory or on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from core.errors import MalformedBody

FILE = "file"
FIELDS = 64 * 1024  # bytes that all fields together may have
SLICE = 64 * 1024


@dataclass
class Part:
    """A part of the form while it arrives."""

    headers: dict[str, str] = field(default_factory=dict[str, str])
    name: str = ""
    data: bytearray = field(default_factory=bytearray)

    def open(self) -> None:
        """All headers are there."""
        _, options = parse_options_header(self.headers.get("content-disposition"))
        self.name = _text(options.get(b"name", b""))
        self.filename = _text(options.get(b"filename", b""))


class Form:
    """A multipart form whose last part is a file. Reading the file reads on in the body."""

    def __init__(self, body: Iterator[bytes], content_type: str) -> None:
        self._body = body
        self._parser = _parser(content_type, self)
        self._part = Part()
        self._header = bytearray()
        self._value = bytearray()
        self._ended = False
        self.fields: dict[str, str] = {}
        self.file: Part | None = None
        while self.file is None and not self._ended:
            self._feed()
        if self.file is None:
            raise MalformedBody(f"The form has no part {FILE!r}; send the file under that name")

    def read(self, size: int = -1) -> bytes:
        """The next bytes of the file; fewer than asked for only at its end. A cut body is an error."""
        assert self.file is not None
        held = self.file.data
        while not self._ended and (size < 0 or len(held) < size):
            self._feed()
        taken = bytes(held if size < 0 else held[:size])
        del held[: len(taken)]
        return taken

    def _feed(self) -> None:
        data = next(self._body, b"")
        if not data:
            raise MalformedBody("The body ends before the form does; send all of it")
        try:
            for at in range(0, len(data), SLICE):
                self._parser.write(data[at : at + SLICE])
        except FormParserError as error:
            raise MalformedBody(f"The body is no multipart form: {error}") from None

    # What the parser tells, in the order in which it comes.

    def on_part_begin(self) -> None:
        self._part = Part()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._part.headers[_latin(self._header).lower()] = _latin(self._value)
        self._header.clear()
        self._value.clear()

    def on_headers_finished(self) -> None:
        self._part.open()
        if self.file is not None:
            raise MalformedBody(f"Send the part {self._part.name!r} before the file, which is last")
        if self._part.name == FILE:
            self.file = self._part

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._part.data += data[start:end]
        if self._part is not self.file and len(self._part.data) > FIELDS:
            raise MalformedBody(f"The field {self._part.name!r} is longer than {FIELDS} bytes")

    def on_part_end(self) -> None:
        if self._part is not self.file:
            self.fields[self._part.name] = _text(bytes(self._part.data))
            if len(self.fields) > FIELDS // 1024:
                raise MalformedBody("The form has too many fields")

    def on_end(self) -> None:
        self._ended = True


def _parser(content_type: str, form: Form) -> MultipartParser:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise MalformedBody("Send a form (multipart/form-data), as curl -F does")
    names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end")
    told = [f"on_{name}" for name in (*names, "headers_finished", "end")]
    callbacks = {name: getattr(form, name) for name in told}
    try:
        return MultipartParser(options[b"boundary"], callbacks)  # type: ignore[arg-type]
    except FormParserError as error:
        raise MalformedBody(f"The body is no multipart form: {error}") from None


def _latin(data: bytearray) -> str:
    return data.decode("latin-1")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise MalformedBody("The form is not in UTF-8") from None

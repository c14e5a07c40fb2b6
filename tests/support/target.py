"""A target for webhooks: a real HTTP or HTTPS server on loopback that answers as it is told."""

import datetime
import ipaddress
import ssl
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Reply:
    """What the target says, how late, and how slowly."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    drip: float = 0.0
    """Seconds between two bytes of the body."""
    head_drips: bool = False
    """Whether the head comes as slowly, and never ends."""
    hold: threading.Event | None = None
    """What it waits for before it answers."""


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Target:
    """Remembers every request; answers with `reply`, which may be a function of the request."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.reply: Reply | Callable[[Asked], Reply] = Reply()
        self.port = 0
        self.scheme = "http"
        self.stopping = threading.Event()

    def url(self, path: str = "/in", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    @property
    def ids(self) -> Counter[str]:
        """How often each message came."""
        return Counter(one.headers["webhook-id"] for one in self.asked)


def _handler(target: Target) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            asked = Asked(
                self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body
            )
            target.asked.append(asked)
            reply = target.reply(asked) if callable(target.reply) else target.reply
            if reply.hold is not None:
                reply.hold.wait(300)
            try:
                self._say(reply)
            except OSError:
                self.close_connection = True  # the caller has gone

        do_GET = do_POST

        def _say(self, reply: Reply) -> None:
            if reply.head_drips:
                return self._drip(reply, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if reply.drip:
                return self._drip(reply, reply.body)
            self.wfile.write(reply.body)

        def _drip(self, reply: Reply, data: bytes) -> None:
            for n in range(len(data)):
                self.wfile.write(data[n : n + 1])
                self.wfile.flush()
                if target.stopping.wait(reply.drip):
                    return

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        pass


@contextmanager
def serving(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[Target]:
    target = Target()
    server = _Quiet((host, 0), _handler(target))
    if tls is not None:
        target.scheme = "https"
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    target.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    try:
        yield target
    finally:
        target.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join(120)


@dataclass(frozen=True)
class Certified:
    """A server's side and a client's side of TLS that fit together."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def certified(host: str) -> Certified:
    """A certificate for a host, and a client that trusts it and nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "target")])
    now = datetime.datetime.now(datetime.UTC)
    try:
        names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(host))]
    except ValueError:
        names = [x509.DNSName(host)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    pem = certificate.public_bytes(encoding)
    secret = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "target.pem"
        file.write_bytes(secret + pem)
        server.load_cert_chain(file)
    client = ssl.create_default_context(cadata=pem.decode())
    return Certified(server, client)

"""An issuer of tokens as Microsoft Entra ID is one: its configuration and its keys over real HTTP, real signatures."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TENANT = "11111111-2222-3333-4444-555555555555"
AUDIENCE = "api://coremachine"
USER = {
    "oid": "aaaaaaaa-0000-0000-0000-000000000001",
    "sub": "pairwise",
    "azp": "bbbbbbbb-0000-0000-0000-000000000001",
    "preferred_username": "ada@example.org",
    "scp": "access_as_user",
}
APP = {
    "oid": "cccccccc-0000-0000-0000-000000000001",
    "sub": "cccccccc-0000-0000-0000-000000000001",
    "azp": "dddddddd-0000-0000-0000-000000000001",
    "idtyp": "app",
}
HOUR = 3600


def rsa_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Issuer:
    """What the issuer has, and how often it was asked."""

    url: str = ""
    keys: dict[str, RSAPrivateKey] = field(default_factory=dict)
    is_away: bool = False
    asked: list[str] = field(default_factory=list)
    hold: threading.Event | None = None
    """While it is not set, answers are held back."""

    @property
    def authority(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        return f"{self.url}/{TENANT}/v2.0"

    @property
    def configuration(self) -> str:
        return f"{self.name}/.well-known/openid-configuration"

    def rotate(self) -> str:
        """Another key instead of all others; its id."""
        kid = uuid4().hex
        self.keys = {kid: rsa_key()}
        return kid

    @property
    def kid(self) -> str:
        return next(iter(self.keys))

    def claims(self, *roles: str, **more: Any) -> dict[str, Any]:
        now = int(time.time())
        usual = {"iss": self.name, "aud": AUDIENCE, "tid": TENANT, "ver": "2.0"}
        times = {"iat": now, "nbf": now, "exp": now + HOUR}
        wanted = {**USER, **usual, **times, **({"roles": list(roles)} if roles else {}), **more}
        return {name: value for name, value in wanted.items() if value is not None}

    def token(self, *roles: str, kid: str | None = None, key: Any = None, **claims: Any) -> str:
        """A user's token unless the claims say otherwise. A claim of None is left out."""
        kid = self.kid if kid is None else kid
        signed = key or self.keys[self.kid]
        return jwt.encode(self.claims(*roles, **claims), signed, "RS256", headers={"kid": kid})

    def app_token(self, *roles: str, **claims: Any) -> str:
        return self.token(*roles, **{**dict.fromkeys(USER), **APP, **claims})

    def public_pem(self) -> bytes:
        key = self.keys[self.kid].public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def answer(self, path: str) -> dict[str, Any] | None:
        if path == self.configuration.removeprefix(self.url):
            return {"issuer": self.name, "jwks_uri": f"{self.url}/{TENANT}/discovery/v2.0/keys"}
        if path.endswith("/discovery/v2.0/keys"):
            return {"keys": [self._jwk(kid) for kid in self.keys]}
        return None

    def _jwk(self, kid: str) -> dict[str, Any]:
        found = jwt.algorithms.RSAAlgorithm.to_jwk(self.keys[kid].public_key(), as_dict=True)
        return {**found, "kid": kid, "use": "sig"}


@contextmanager
def issuing() -> Iterator[Issuer]:
    """A running issuer with one key."""
    issuer = Issuer()
    issuer.rotate()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            if issuer.hold is not None:
                issuer.hold.wait(300)
            found = None if issuer.is_away else issuer.answer(self.path)
            body = json.dumps(found).encode()
            self.send_response(503 if issuer.is_away else 200 if found else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join(120)

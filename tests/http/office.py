"""A strict installation, and keys to it, for tests of who calls."""

from contextlib import ExitStack
from typing import Any

import httpx
import psycopg

from core.identity import Role
from core.keys import KeyRing, NewKey, Secret
from infrastructure.entra import EntraTokens
from infrastructure.keys import PostgresKeys
from tests.http.house import House, serving
from triggers.http.door.access import Access, Rates
from triggers.listening import Mode

PLENTY = Rates(0, 1, 0, 1, 0)


class Office:
    """A strict installation, and keys to it."""

    def __init__(self, house: House, tokens: EntraTokens, stack: ExitStack) -> None:
        self.house = house
        self.keys = PostgresKeys(house.database)
        self.ring = KeyRing(self.keys, lasts=5.0)
        self._tokens = tokens
        self._stack = stack

    def client(
        self, mode: Mode = Mode.REQUIRED, rates: Rates = PLENTY, **more: Any
    ) -> httpx.Client:
        access = Access(mode, (self.ring, self._tokens), rates)
        app = self.house.app(access=access, keys=self.ring, **more)
        url = self._stack.enter_context(serving(app))
        return self._stack.enter_context(httpx.Client(base_url=url, timeout=120))

    def key(self, role: Role = Role.OPERATOR, **more: Any) -> str:
        secret = Secret.make()
        self.keys.add(NewKey(secret.id, secret.digest, f"the {role}", role, **more), "test")
        return str(secret)

    def notes(self) -> list[tuple[str, str, str]]:
        with psycopg.connect(self.house.database.dsn) as conn:
            return conn.execute(
                "select by, action, subject from app.audit where by <> 'test' order by id"
            ).fetchall()


def with_key(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


def refused(answer: httpx.Response, status: int, code: str) -> str:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return answer.json()["detail"]


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}

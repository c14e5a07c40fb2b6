"""The keys that an issuer signs with: fetched when needed, kept while it is away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import jwt
import requests
from pydantic_core import from_json

from core.errors import ServiceUnavailable

log = logging.getLogger(__name__)

FRESH = 3600.0
"""Seconds after which the keys are fetched again."""
ASK_AGAIN = 30.0
"""Seconds between two attempts to fetch them, whatever the reason: an unknown key, or an issuer that is away."""
KEPT = 24 * 3600.0
"""Seconds for which the keys are still believed while the issuer is away."""
PATIENCE = 5.0
LARGEST = 1024 * 1024


class Jwks:
    """RSA keys by their id, of the issuer whose configuration or key set stands at a URL."""

    def __init__(
        self,
        url: str,
        *,
        ask_again: float = ASK_AGAIN,
        kept: float = KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`url`: of an OpenID configuration, which names the key set, or of the key set itself."""
        self._url = url
        self._ask_again = ask_again
        self._kept = kept
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched: float | None = None
        self._asked: float | None = None
        self._lock = threading.Lock()

    def known(self, kid: str) -> jwt.PyJWK | None:
        """The key, if nobody has to be asked for it. Raises KeyError when asking again would be too soon."""
        if kid not in self._keys and self._lock.locked():
            return None  # it may be among those that are just being fetched
        return self._settled(kid)

    def key(self, kid: str) -> jwt.PyJWK:
        """The key; asks the issuer where it may know more. Raises KeyError when there is none."""
        with self._lock:
            if (settled := self._settled(kid)) is not None:
                return settled  # another thread has asked meanwhile
            self._asked = self._clock()
            try:
                self._keys = self._fetch()
                self._fetched = self._clock()
            except (requests.RequestException, ValueError, KeyError, jwt.PyJWTError) as error:
                log.warning("the keys of %s cannot be had: %s", self._url, error)
        return self._believed(kid)

    def _settled(self, kid: str) -> jwt.PyJWK | None:
        if kid in self._keys and self._age(self._fetched) < FRESH:
            return self._keys[kid]
        return None if self._age(self._asked) >= self._ask_again else self._believed(kid)

    def _believed(self, kid: str) -> jwt.PyJWK:
        if self._age(self._fetched) > self._kept:
            raise ServiceUnavailable(
                "The keys of the token's issuer cannot be had. Try again soon."
            )
        return self._keys[kid]

    def _age(self, moment: float | None) -> float:
        return float("inf") if moment is None else self._clock() - moment

    def _fetch(self) -> dict[str, jwt.PyJWK]:
        found = _document(self._url)
        if "keys" not in found:
            found = _document(found["jwks_uri"])
        return dict(_usable(found["keys"]))


def _usable(keys: list[dict[str, Any]]) -> list[tuple[str, jwt.PyJWK]]:
    """Only what verifies RS256: a key of another kind must never be tried."""
    return [
        (key["kid"], jwt.PyJWK(key, algorithm="RS256"))
        for key in keys
        if key.get("kty") == "RSA" and key.get("use", "sig") == "sig" and key.get("kid")
    ]


def _document(url: str) -> dict[str, Any]:
    """A small JSON object from just that address."""
    with requests.get(url, timeout=PATIENCE, allow_redirects=False, stream=True) as answer:
        if answer.status_code != 200:
            raise ValueError(f"it answered {answer.status_code}")
        body = answer.raw.read(LARGEST + 1, decode_content=True)
    if len(body) > LARGEST:
        raise ValueError(f"it answered with more than {LARGEST} bytes")
    found = from_json(body)
    if not isinstance(found, dict):
        raise ValueError("it answered with something that is no JSON object")
    return cast(dict[str, Any], found)

"""Credentials that a browser keeps, and the proof that a request comes from a page of ours.

A browser sends its cookies along with whatever any site lets it send. So a request that is known by its cookie alone changes
something only with a token that pages of ours carry, and that nobody else can read or make up.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.requests import cookie_parser

from core.errors import ForeignRequest

SESSION = "cm_session"
"""Holds the credential of whoever has signed in."""
VISIT = "cm_visit"
"""Holds a random name for the browser of whoever has not."""
TOKEN = "X-CSRF-Token"  # noqa: S105 - the name of a header
FIELD = "csrf"
LONGEST = 3_800
"""What browsers keep in one cookie, with its name."""
PLAIN = re.compile(r"[A-Za-z0-9._~+/=-]+")
READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Forged(ForeignRequest):
    """The request carries no proof that it comes from a page of this installation. Load the page anew."""

    code = "forged"


def cookie_in(headers: Mapping[str, str], name: str) -> str | None:
    """The cookie of that name, if it holds what ours hold."""
    found = cookie_parser(headers.get("cookie", "")).get(name)
    return found if found is not None and PLAIN.fullmatch(found) else None


def token_for(secret: str) -> str:
    """The token of whoever's browser keeps this secret. It tells nothing about it, and needs no memory of ours."""
    return hmac.new(secret.encode(), b"a page of this installation", sha256).hexdigest()


def refuse_foreign_page(headers: Mapping[str, str]) -> None:
    """Browsers say where a request comes from: in Sec-Fetch-Site, and older ones in Origin."""
    if (site := headers.get("sec-fetch-site")) is not None:
        if site != "same-origin":
            raise Forged(f"The request comes from elsewhere (Sec-Fetch-Site: {site[:20]}).")
        return
    origin = headers.get("origin")
    if origin is None or urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        raise Forged("The request does not say that it comes from here (Origin).")


def refuse_wrong_token(given: object, headers: Mapping[str, str]) -> None:
    """The token must be that of the secret in the request's own cookies."""
    secret = cookie_in(headers, SESSION) or cookie_in(headers, VISIT)
    right = "" if secret is None else token_for(secret)
    if not (
        isinstance(given, str) and right and hmac.compare_digest(given.encode(), right.encode())
    ):
        raise Forged("The request carries no token of this installation's pages.")


def is_deliberate(headers: Mapping[str, str]) -> bool:
    """Whether it carries a credential that no browser sends by itself."""
    scheme = headers.get("authorization", "").partition(" ")[0].lower()
    return "x-api-key" in headers or scheme == "bearer"

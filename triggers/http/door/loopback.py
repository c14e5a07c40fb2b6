"""What an installation without identity still refuses: whatever does not come from this machine itself.

A page that a browser has loaded from elsewhere reaches loopback too. It can give this machine a name of its own (DNS
rebinding), which the Host header tells, or send what needs no answer, which the Origin header tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from core.errors import ForeignRequest
from triggers.listening import is_loopback

READING = frozenset({"GET", "HEAD", "OPTIONS"})
PASSED_ON = ("forwarded", "x-forwarded-for", "x-forwarded-host", "via")
ADVICE = "Set CM_IDENTITY=required and use an API key."


def refuse_foreign(client: str, headers: Mapping[str, str]) -> None:
    """Only a program of this machine that calls it by its loopback name is answered."""
    if client and not is_loopback(client):
        raise ForeignRequest(f"This installation answers its own machine only. {ADVICE}")
    if not is_loopback(_host(headers.get("host", ""))):
        raise ForeignRequest(f"Call this installation 127.0.0.1 or localhost. {ADVICE}")
    if passed := [name for name in PASSED_ON if name in headers]:
        raise ForeignRequest(f"The request came through a proxy ({passed[0]}). {ADVICE}")


def refuse_other_sites(method: str, headers: Mapping[str, str]) -> None:
    """Pages of other sites may not change anything here."""
    origin = headers.get("origin")
    if method in READING or origin is None:
        return
    if urlsplit(origin).netloc.lower() != headers.get("host", "").lower() or not origin:
        raise ForeignRequest("The request comes from a page of another site (Origin).")


def _host(header: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""

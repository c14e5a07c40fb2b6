"""Secrets are taken out of whatever is logged, by the forms they have."""

from __future__ import annotations

import re

HIDDEN = "***"

_NAMED = re.compile(
    r"((?:AccountKey|SharedAccessKey|SharedAccessSignature|InstrumentationKey|password|passwd|pwd|secret|api[_-]?key|sig)"
    r"[\"']?\s*[=:]\s*[\"']?)[^\s;&,\"'}]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_IN_URL = re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)")


def redacted(text: str) -> str:
    """The text without passwords, keys, signatures and tokens."""
    if "=" in text or ":" in text:
        text = _IN_URL.sub(rf"\1{HIDDEN}", _NAMED.sub(rf"\1{HIDDEN}", text))
    return _BEARER.sub(rf"\1{HIDDEN}", text)

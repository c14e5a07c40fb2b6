"""Names that people give to schedules and templates."""

from __future__ import annotations

import re

PATTERN = "[a-z][a-z0-9_.-]{0,129}"
NAME = re.compile(PATTERN)


def is_name(text: str) -> bool:
    return NAME.fullmatch(text) is not None

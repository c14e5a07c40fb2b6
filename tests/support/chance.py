"""Chance in tests: `make test` tries the same cases every time, and `make fuzz` new ones."""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""How many new cases to try of each rule; 0: the same few as always."""
FIXED = EXAMPLES == 0


def tame() -> None:
    """What one case may take depends on the machine, and which cases are tried on nothing."""
    common = settings(
        derandomize=FIXED,
        database=None,
        deadline=None,
        max_examples=EXAMPLES or 100,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.register_profile("house", common)
    settings.load_profile("house")

"""The smallest job that fans out and back in."""

import random

from core import Context, JobBase, Retry, fan_in, fan_out, minutes


class HelloWorld(JobBase):
    """Greet every name, then count the greetings."""

    names: list[str] = ["world"]
    """Whom to greet."""
    failure_rate: float = 0.0
    """Share of attempts that fail on purpose, to watch retries."""

    def everyone(self) -> list[str]:
        return self.names

    @fan_out(each=everyone, retry=Retry(attempts=10, delay=minutes(1) / 60))
    def greet(self, ctx: Context, name: str) -> str:
        if random.random() < self.failure_rate:  # noqa: S311 - a demonstration, not a secret
            raise ConnectionError(f"could not reach {name}; this failure was asked for")
        ctx.log.info("greeting %s", name)
        return f"Hello, {name}!"

    @fan_in(greet)
    def count(self, ctx: Context, greetings: list[str]) -> int:
        return len(greetings)

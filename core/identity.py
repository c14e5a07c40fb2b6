"""Who calls, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What a caller may do. Each role may do what those before it may."""

    READER = "reader"
    SUBMITTER = "submitter"
    APPROVER = "approver"
    OPERATOR = "operator"

    def covers(self, needed: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Kind(StrEnum):
    """How a caller was identified."""

    NOBODY = "nobody"
    """Not at all: the installation is open, or the route is public."""
    KEY = "key"
    USER = "user"
    APP = "app"


ANONYMOUS = "anonymous"
LONGEST_LABEL = 100


@dataclass(frozen=True, slots=True)
class Actor:
    """A caller. Without a role it may do nothing but ask who it is."""

    kind: Kind
    id: str = ""
    """Never given to anyone else."""
    label: str = ""
    """For people to read; it may change."""
    role: Role | None = None
    job_types: frozenset[str] | None = None
    """The only job types it may submit; None: all."""

    @property
    def key(self) -> str:
        """The part of the name that never changes."""
        return ANONYMOUS if self.kind is Kind.NOBODY else f"{self.kind}:{self.id}"

    @property
    def name(self) -> str:
        """As it is written down beside what it did."""
        return f"{self.key} {self.label}".rstrip()


NOBODY = Actor(Kind.NOBODY)
ANYBODY = Actor(Kind.NOBODY, role=Role.OPERATOR)
"""Whoever calls an open installation."""


def label(text: object) -> str:
    """What a stranger calls itself, as one short line without tricks."""
    shown = "".join(c if c.isprintable() else "?" for c in str(text or ""))
    return " ".join(shown.split())[:LONGEST_LABEL]


class Identifier(Protocol):
    """Knows callers by one kind of credential. Safe for many threads."""

    def reads(self, credential: str) -> bool:
        """Whether a credential is of this kind."""
        ...

    def recall(self, credential: str) -> Actor | None:
        """The caller, from memory and at once; None when somebody has to be asked."""
        ...

    def identify(self, credential: str) -> Actor:
        """The caller. Both raise Unauthenticated when the credential is not good."""
        ...

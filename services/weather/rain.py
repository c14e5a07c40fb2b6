"""The accountant of precipitation: which sums, added and taken away, tell what fell between two moments.

Every model adds up in a way of its own: from the start of the forecast, in buckets that begin anew after
1, 3 or 6 hours, or both. Sums are ways between moments, forwards to add and backwards to take away; what
fell between two moments is a shortest way between them. So no model needs rules, and a missing hour is
gone around where any sum allows it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.weather.idx import Span

Floats = NDArray[np.float32]
ADDED, TAKEN = 10_000, 30_000
"""What a term costs, besides its minutes: few and short ones are best, as rounding of large sums stays in a difference."""
DEEPEST = 64


class Term(NamedTuple):
    """A sum, and whether it is added (1) or taken away (-1)."""

    sign: int
    span: Span


def way(known: Iterable[Span], wanted: Span) -> list[Term] | None:
    """The terms whose total is what fell in `wanted`; None when no sums tell it."""
    if wanted.start == wanted.end:
        return []
    edges: dict[int, list[tuple[int, Term]]] = {}
    for span in sorted(set(known)):
        if span.start < span.end:
            edges.setdefault(span.start, []).append((span.end, Term(1, span)))
            edges.setdefault(span.end, []).append((span.start, Term(-1, span)))
    queue: list[tuple[int, int, int, list[Term]]] = [(0, 0, wanted.start, [])]
    best: dict[int, int] = {}
    pushed = 0
    while queue:
        cost, _, at, terms = heapq.heappop(queue)
        if at == wanted.end:
            return terms
        if best.get(at, cost + 1) <= cost or len(terms) >= DEEPEST:
            continue
        best[at] = cost
        for there, term in edges.get(at, []):
            pushed += 1
            step = (ADDED if term.sign > 0 else TAKEN) + term.span.end - term.span.start
            heapq.heappush(queue, (cost + step, pushed, there, [*terms, term]))
    return None


class Fallen(NamedTuple):
    """What fell, and by how much the sums went down at worst: more than rounding is a fault of the model."""

    amount: Floats
    below_zero: float


def total(terms: Iterable[Term], sums: Mapping[Span, Floats], shape: tuple[int, ...]) -> Fallen:
    """Never below zero: rain does not rise. How far below it would have been is told beside."""
    amount = np.zeros(shape, np.float64)
    for term in terms:
        amount += term.sign * sums[term.span].astype(np.float64)
    there = amount[np.isfinite(amount)]
    below = float(-there.min()) if there.size and there.min() < 0 else 0.0
    return Fallen(np.maximum(amount, 0.0).astype(np.float32), below)

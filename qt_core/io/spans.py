"""Sets of half-open time spans ``[from, to)`` in ms."""

from collections.abc import Iterable
from typing import TypeAlias

Spans: TypeAlias = tuple[tuple[int, int], ...]  # sorted, apart from each other


def union(spans: "Iterable[tuple[int, int]]") -> Spans:
    """All spans as sorted ones that neither touch nor overlap; empty ones are dropped."""
    out: list[tuple[int, int]] = []
    for start, end in sorted((int(a), int(b)) for a, b in spans if a < b):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return tuple(out)


def subtract(span: tuple[int, int], taken: "Iterable[tuple[int, int]]") -> Spans:
    """What is left of a span without the taken ones."""
    left: list[tuple[int, int]] = []
    start, end = span
    for a, b in union(taken):
        if b <= start or a >= end:
            continue
        if a > start:
            left.append((start, a))
        start = max(start, b)
    if start < end:
        left.append((start, end))
    return tuple(left)

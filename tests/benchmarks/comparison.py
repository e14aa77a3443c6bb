"""Comparisons that a busy machine cannot bend: variants take turns, and each is set against the first."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from unet_course.progress import progress

Measure = Callable[[], Mapping[str, float]]  # one turn: what was measured, by unit


@dataclass(frozen=True)
class Spread:
    """The median of several values and the quartiles about it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    def __str__(self) -> str:
        return f"{number(self.median)} ({number(self.low)}–{number(self.high)})"


@dataclass(frozen=True)
class Row:
    """What one variant of a comparison measured, and its ratio to the first variant, round by round."""

    case: str
    variant: str
    unit: str
    value: Spread
    ratio: Spread
    rounds: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    case: str,
    variants: Mapping[str, Measure],
    *,
    seconds: float,
    least: int = 3,
    most: int = 15,
    warm_up: bool = True,
) -> list[Row]:
    """Measure every variant once per round, in turn, and return a row per variant and unit.

    The ratio of a round is of measurements made within moments of each other, so whatever slows the
    machine for longer than a round slows both and leaves the ratio. Rounds are taken for about
    ``seconds``, but at least ``least`` and at most ``most`` of them; a first one, which fills caches
    and lets libraries choose their kernels, does not count. Where a single round takes longer than
    ``seconds``, warming up is nothing beside it: it counts, and two are enough.
    """
    rounds: list[dict[str, Mapping[str, float]]] = []
    started = time.perf_counter()
    with progress(desc=case, unit="turn", leave=False) as bar:
        while len(rounds) < least or (
            len(rounds) < most and time.perf_counter() - started < seconds
        ):
            found = {}
            for name, measure in variants.items():
                bar.set_postfix_str(name)
                found[name] = measure()
                bar.update()
            if not rounds and time.perf_counter() - started > seconds:
                warm_up, least = False, min(least, 2)
            if warm_up:
                warm_up, started = False, time.perf_counter()
            else:
                rounds.append(found)
    first = next(iter(variants))
    return [
        Row(
            case, name, unit,
            value=Spread.of([r[name][unit] for r in rounds]),
            ratio=Spread.of([r[name][unit] / r[first][unit] for r in rounds]),
            rounds=len(rounds),
        )
        for unit in rounds[0][first]
        for name in variants
    ]  # fmt: skip


def timed(call: Callable[[], object], *, images: int) -> float:
    """Seconds per image of a call that works on ``images`` of them."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) / images


def table(rows: list[Row]) -> str:
    """The rows as text, in columns; a blank line before each new case."""
    head = ("case", "variant", "median (quartiles)", "unit", "ratio to first", "rounds")
    cells = [(r.case, r.variant, str(r.value), r.unit, str(r.ratio), str(r.rounds)) for r in rows]
    widths = [max(len(line[i]) for line in [head, *cells]) for i in range(len(head))]
    lines = ["  ".join(map(str.ljust, head, widths)).rstrip()]
    for i, line in enumerate(cells):
        if i and line[0] != cells[i - 1][0]:
            lines.append("")
        lines.append("  ".join(map(str.ljust, line, widths)).rstrip())
    return "\n".join(lines)


def number(value: float) -> str:
    """Three significant digits, never in powers of ten."""
    digits = max(0, 3 - len(str(int(abs(value))))) if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"

"""What happened in each step of time, as bars of an SVG: writes, the keys deleted among them, and gaps. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from web.wording.numbers import when

WIDTH, HEIGHT = 600.0, 120.0
_TOP, _GROUND = 8.0, 112.0


@dataclass(frozen=True)
class Bar:
    """One step: where it stands, and how high its bars are."""

    x: float
    width: float
    left: float
    """Where all of the step begins, and how wide that is."""
    wide: float
    writes: float
    deleted: float
    """Heights, of which 0 is none."""
    gap: bool
    at: datetime
    said: str


@dataclass(frozen=True)
class Bars:
    """All of them; `most` is what the upper edge stands for."""

    bars: list[Bar]
    most: int
    first: datetime
    last: datetime
    ground: float = _GROUND


def bars(steps: Sequence[dict[str, Any]], words: Callable[[dict[str, Any]], str]) -> Bars | None:
    """None where there is nothing to be seen."""
    timed = [(at, step) for step in steps if (at := when(step.get("at"))) is not None]
    if not timed:
        return None
    most = max(max(int(step["writes"]), int(step["deleted"])) for _, step in timed) or 1
    wide = WIDTH / len(timed)
    inner = max(wide * 0.8, min(wide, 1.0))

    def high(count: int) -> float:
        # However few, they are seen.
        return round(max(count / most * (_GROUND - _TOP), 1.5), 1) if count else 0.0

    drawn = [
        Bar(
            round(number * wide + (wide - inner) / 2, 2),
            round(inner, 2),
            round(number * wide, 2),
            round(wide, 2),
            high(int(step["writes"])),
            high(int(step["deleted"])),
            bool(step.get("gap")),
            at,
            words(step),
        )
        for number, (at, step) in enumerate(timed)
    ]
    return Bars(drawn, most, timed[0][0], timed[-1][0])

"""Numbers as pictures: where the lines and bars of a chart lie, for a Jinja macro to draw as SVG. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from worker.formats.types import INKS

WIDTH, HEIGHT = 600.0, 120.0
_MARGIN = 8.0
DOTS = 200
"""That a curve has at the most: more stand in one place."""


@dataclass(frozen=True)
class Dot:
    """One value in the picture, and its words."""

    x: float
    y: float
    at: datetime
    said: str
    left: float
    """Where the part of the picture begins that it is nearest to, and how wide that is."""
    width: float


@dataclass(frozen=True)
class Curve:
    """A line over time, as paths of an SVG of WIDTH by HEIGHT; `most` is what its top edge stands for."""

    line: str
    area: str
    dots: list[Dot]
    """Of the values, or where there are many of some of them."""
    values: int
    """How many there are."""
    most: float
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Share:
    """A part of a bar: from `x`, `width` wide, of WIDTH in all."""

    name: str
    count: int
    ink: str
    """Its colour, a class of style.css behind `ink-`."""
    x: float
    width: float


@dataclass(frozen=True)
class Bar:
    """All keys of one database, by type."""

    db: int
    total: int
    shares: list[Share]


def curve(points: Sequence[tuple[datetime, float]], words: Callable[[float], str]) -> Curve | None:
    """A curve through points in order of time, of which the largest are drawn where there are too many for a picture.

    None for fewer than two, of which there is nothing to see.
    """
    if len(points) < 2:
        return None
    first, last = points[0][0], points[-1][0]
    seconds, most = max((last - first).total_seconds(), 1.0), max(value for _, value in points) or 1.0
    drawn = thinned(points, DOTS)
    across = [round(_MARGIN + (at - first).total_seconds() / seconds * (WIDTH - 2 * _MARGIN), 1) for at, _ in drawn]
    edges = [0.0, *((one + other) / 2 for one, other in pairwise(across)), WIDTH]
    dots = [
        Dot(
            x,
            round(HEIGHT - _MARGIN - value / most * (HEIGHT - 2 * _MARGIN), 1),
            at,
            words(value),
            round(begin, 1),
            round(end - begin, 1),
        )
        for x, (at, value), (begin, end) in zip(across, drawn, pairwise(edges), strict=True)
    ]
    line = "M" + " L".join(f"{dot.x} {dot.y}" for dot in dots)
    return Curve(line, f"{line} L{dots[-1].x} {HEIGHT} L{dots[0].x} {HEIGHT} Z", dots, len(points), most, first, last)


def thinned(points: Sequence[tuple[datetime, float]], most: int) -> Sequence[tuple[datetime, float]]:
    """At most so many of the points: the first, the last, and of as many next to each other as must be, the highest."""
    if len(points) <= most:
        return points
    inner, parts = points[1:-1], most - 2
    ends = [number * len(inner) // parts for number in range(parts + 1)]
    highest = [max(inner[begin:end], key=lambda point: point[1]) for begin, end in pairwise(ends)]
    return [points[0], *highest, points[-1]]


def bars(keys_by_db: dict[int, dict[str, int]]) -> list[Bar]:
    """One bar for each database, as long as it has keys compared with the largest; most frequent type first."""
    largest = max((sum(kinds.values()) for kinds in keys_by_db.values()), default=0) or 1
    return [_bar(db, kinds, largest) for db, kinds in sorted(keys_by_db.items())]


def _bar(db: int, kinds: dict[str, int], largest: int) -> Bar:
    shares: list[Share] = []
    x = 0.0
    for name, count in sorted(kinds.items(), key=lambda item: (-item[1], item[0])):
        width = round(count / largest * WIDTH, 2)
        shares.append(Share(name, count, INKS.get(name, "grey"), round(x, 2), width))
        x += width
    return Bar(db, sum(kinds.values()), shares)

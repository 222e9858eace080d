"""Rows as tables, in Markdown."""

from collections.abc import Callable, Sequence

from benchmarks import traffic
from benchmarks.results import WHOLE, Row

NOTHING, BAR = "\u2013", "\\|"
Cell = Callable[[Row], str]


def table(header: Sequence[str], lines: Sequence[Sequence[str]], words: Sequence[int] = (0,)) -> str:
    """A table; the columns of these numbers hold words, all others figures."""
    ruler = ["---" if number in words else "---:" for number in range(len(header))]
    return "\n".join(f"| {' | '.join(cell.replace('|', BAR) for cell in line)} |" for line in (header, ruler, *lines))


def name(row: Row) -> str:
    """Ours stand out."""
    return {"ours": f"**{row.name}**", "floor": f"{row.name} (the floor)"}.get(row.kind, row.name)


def seconds(row: Row) -> str:
    """Of the clock."""
    value = row.figure("seconds")
    return NOTHING if value is None else f"{value:.2f}"


def milliseconds(row: Row) -> str:
    """The same, a thousand times."""
    value = row.figure("seconds")
    return NOTHING if value is None else f"{1000 * value:.0f}"


def processor(row: Row) -> str:
    """Seconds that its processes kept a core busy."""
    user, system = row.figure("user"), row.figure("system")
    return NOTHING if not user or system is None else f"{user + system:.2f}"


def rate(row: Row) -> str:
    """Keys in a second."""
    value = row.figure("keys/s")
    return NOTHING if value is None else f"{value:,.0f}"


def peak(row: Row) -> str:
    """Memory."""
    return size(row.figure("peak") or None)


def stored(row: Row) -> str:
    """Bytes of the file."""
    return size(row.stored)


def result(row: Row) -> str:
    """What became of it."""
    if row.missing:
        return " ".join(row.missing.split())
    return NOTHING if row.fault is None else "whole" if row.fault == WHOLE else f"**{row.fault}**"


def size(count: float | None) -> str:
    """Bytes for people."""
    if count is None:
        return NOTHING
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def floors(rows: Sequence[Row]) -> list[str]:
    """How many times as long each row takes as the floor above it."""
    found, floor = [], None
    for row in rows:
        value = row.figure("seconds")
        floor = value if row.kind == "floor" else floor
        found.append(f"{value / floor:.2f} x" if value and floor else NOTHING)
    return found


def usual(rows: Sequence[Row]) -> str:
    """What is known of backups and restores."""
    header = ("", "seconds", "of the floor", "processor", "keys/s", "memory", "stored", "result")
    lines = [
        (name(row), seconds(row), floor, processor(row), rate(row), peak(row), stored(row), result(row))
        for row, floor in zip(rows, floors(rows), strict=True)
    ]
    return table(header, lines, (0, len(header) - 1))


def short(rows: Sequence[Row], title: str) -> str:
    """The same for those who only pass by."""
    header = (title, "seconds", "of the floor", "memory", "result")
    lines = [
        (name(row), seconds(row), floor, peak(row), result(row)) for row, floor in zip(rows, floors(rows), strict=True)
    ]
    return table(header, lines, (0, len(header) - 1))


def quick(rows: Sequence[Row]) -> str:
    """What takes milliseconds."""
    return table(("", "milliseconds"), [(name(row), row.missing or milliseconds(row)) for row in rows])


def waited(rows: Sequence[Row]) -> str:
    """The same, and how large the process has grown by then."""
    return table(
        ("", "milliseconds", "memory"), [(name(row), row.missing or milliseconds(row), peak(row)) for row in rows]
    )


def sizes(rows: Sequence[Row]) -> str:
    """Bytes, and what they cost."""
    header = ("", "stored", "seconds", "processor", "result")
    lines = [(name(row), stored(row), seconds(row), processor(row), result(row)) for row in rows]
    return table(header, lines, (0, len(header) - 1))


def felt(rows: Sequence[Row]) -> str:
    """Latencies, each next to that without anything beside."""
    columns = [(clients, command) for clients in traffic.CLIENTS for command in ("GET", "SET")]
    heads = [f"{command}, {clients} client{'s' * (clients > 1)}" for clients, command in columns]
    alone = next((row for row in rows if row.name == traffic.ALONE), None)
    lines = []
    for row in rows:
        figures = [traffic.figure("p99", *column) for column in columns]
        cells = [row.missing or _latency(row, figure, alone) for figure in figures]
        own = row.figure(traffic.OUR_KEYS)
        lines.append((name(row), *cells, f"{own:,.0f}" if own else NOTHING))
    return table(("p99 in milliseconds", *heads, "keys/s meanwhile"), lines)


def _latency(row: Row, figure: str, alone: Row | None) -> str:
    value, base = row.figure(figure), alone.figure(figure) if alone else None
    if value is None:
        return NOTHING
    return f"{value:.2f}" + (f" ({value / base:.1f} x)" if base and row is not alone else "")


def growth(pairs: Sequence[tuple[Row, Row]]) -> str:
    """How time and memory grow from the smaller to the larger one of each pair."""
    lines = []
    for small, large in pairs:
        before, after = ([row.figure(figure) or 0 for figure in ("seconds", "peak")] for row in (small, large))
        if all((*before, *after)):
            each = (after[1] - before[1]) / (large.keys - small.keys)
            microseconds = [1e6 * found[0] / row.keys for found, row in ((before, small), (after, large))]
            lines.append(
                (name(large), f"{after[0] / before[0]:.1f} x", *(f"{one:.2f}" for one in microseconds), f"{each:+.1f}")
            )
    return table(
        ("", "time", "\u00b5s a key, before", "\u00b5s a key, after", "bytes of memory for each key more"), lines
    )

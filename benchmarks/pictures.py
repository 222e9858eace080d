"""The results as pictures: bars in SVG, in colours that are read on a white and on a black page."""

from collections.abc import Callable
from html import escape

from benchmarks import backing_up, looking, restoring, traffic
from benchmarks.results import Kind, Results, Row

WIDTH, LABEL, BAR, STEP, TOP = 720, 300, 16, 26, 40
# Each has a contrast of 3 or more to white and to GitHub's black.
TEXT = "#768390"
COLOURS: dict[Kind, str] = {"ours": "#2da44e", "peer": "#bf8700", "floor": "#8c959f"}

TITLES = {
    "backup.svg": "Seconds of a backup",
    "restore.svg": "Seconds of a restore",
    "memory.svg": "Memory at its peak, in MB",
    "traffic.svg": "p99 of GET with 50 clients, in milliseconds",
}
_SHOWN: dict[str, tuple[str, ...]] = {
    "backup.svg": (
        backing_up.SYNC,
        backing_up.REPLICATION,
        backing_up.ALONE,
        backing_up.ZSTD,
        backing_up.GZIP,
        backing_up.DUMP,
        backing_up.SCAN,
        backing_up.DUMP_GO,
    ),
    "restore.svg": (
        restoring.LOAD,
        restoring.MIRROR,
        restoring.OVERWRITE_EMPTY,
        restoring.PIPE,
        restoring.OVERWRITE,
    ),
    "memory.svg": (
        backing_up.REPLICATION,
        backing_up.SCAN,
        looking.VERIFY,
        looking.PREVIEW,
        restoring.OVERWRITE,
        restoring.MIRROR,
    ),
    "traffic.svg": (traffic.ALONE, traffic.BUSY, *traffic.BESIDE, traffic.BESIDE_PEER),
}
Bar = tuple[str, float, Kind]


def drawn(results: Results) -> dict[str, str]:
    """Every picture for which there is something to show, by file name."""
    value: dict[str, Callable[[Row], float | None]] = {
        "backup.svg": lambda row: row.figure("seconds"),
        "restore.svg": lambda row: row.figure("seconds"),
        "memory.svg": lambda row: (row.figure("peak") or 0) / 1e6,
        "traffic.svg": lambda row: row.figure(traffic.figure("p99", traffic.CLIENTS[0], "GET")),
    }
    found: dict[str, str] = {}
    for name, title in TITLES.items():
        bars: list[Bar] = []
        for shown in _SHOWN[name]:
            for data in (results.main, "10m") if name == "memory.svg" else (results.main,):
                row = results.row(data, shown)
                if row is not None and (number := value[name](row)):
                    of = f", {row.keys:,} keys" if name == "memory.svg" else ""
                    bars.append((f"{shown}{of}", number, row.kind))
        if bars:
            found[name] = picture(title, bars)
    return found


def picture(title: str, bars: list[Bar]) -> str:
    """Bars one below the other, each with its label and its number."""
    most = max(number for _, number, _ in bars)
    height = TOP + STEP * len(bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="13" fill="{TEXT}">',
        f"<title>{escape(title)}</title>",
        f'<text x="0" y="18" font-size="15" font-weight="600">{escape(title)}</text>',
    ]
    for index, (label, number, kind) in enumerate(bars):
        y = TOP + STEP * index
        length = max(1, round((WIDTH - LABEL - 70) * number / most))
        weight = ' font-weight="600"' if kind == "ours" else ""
        lines += [
            f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end"{weight}>{escape(label)}</text>',
            f'<rect x="{LABEL}" y="{y}" width="{length}" height="{BAR}" rx="2" fill="{COLOURS[kind]}"/>',
            f'<text x="{LABEL + length + 6}" y="{y + 13}"{weight}>{number:.{0 if most >= 100 else 2}f}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"

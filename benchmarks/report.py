"""The results as people read them: one page with its pictures, and the table that README quotes."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import backing_up, pictures, restoring, tables
from benchmarks.goals import Goal, Verdict, judged
from benchmarks.results import Results, Row

RESULTS, JSON = "RESULTS.md", "results.json"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"

# What README shows, each behind its floor.
SHOWN = (
    backing_up.SYNC,
    backing_up.REPLICATION,
    backing_up.ALONE,
    backing_up.ZSTD,
    backing_up.GZIP,
    backing_up.DUMP,
    backing_up.SCAN,
    backing_up.DUMP_GO,
    restoring.LOAD,
    restoring.MIRROR,
    restoring.OVERWRITE_EMPTY,
    restoring.OVERWRITE,
    restoring.PIPE,
)
_TITLES = {
    "backup": "Backup",
    "look": "Verify and preview",
    "restore": "Restore",
    "stream": "The replication stream",
    "offsite": "To S3 and SFTP, and back",
    "size": "Bytes stored",
    "traffic": "Live traffic",
    "queue": "Through the queue",
    "dashboard": "Dashboard and shell",
    "catalogue": "A large catalogue",
}
_TABLES: dict[str, Callable[[Sequence[Row]], str]] = {
    "size": tables.sizes,
    "traffic": tables.felt,
    "dashboard": tables.quick,
    "catalogue": tables.waited,
}


def write(results: Results, folder: Path, readme: Path | None) -> None:
    """RESULTS.md with its pictures, and the table in README.md between its two marks."""
    drawn = pictures.drawn(results)
    for name, picture in drawn.items():
        (folder / name).write_text(picture)
    (folder / RESULTS).write_text(page(results, list(drawn)))
    if readme is not None:
        readme.write_text(with_table(readme.read_text(), summary(results)))


def with_table(text: str, table: str) -> str:
    """The text with that table between the marks; as it is where it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n{table}\n{end}{after}" if begin and end else text


def quoted(text: str) -> str:
    """The table between the marks."""
    return text.partition(BEGIN)[2].partition(END)[0].strip()


def page(results: Results, drawn: Sequence[str]) -> str:
    """The whole of RESULTS.md."""
    parts = [
        "# Results",
        "Written by `make bench`, every figure of it. [docs/performance.md](../docs/performance.md) says what each row is.",
        _about(results),
        f"{BEGIN}\n{summary(results)}\n{END}",
        *(f"![{pictures.TITLES[name]}]({name})" for name in drawn),
        "## What it must reach",
        goals_table(results),
        *_sections(results),
    ]
    return "\n\n".join(parts) + "\n"


def _about(results: Results) -> str:
    machine = results.machine
    cores = "**two cores only**" if machine.cores == 2 else f"{machine.cores} cores"
    main = next((row.keys for row in results.each(results.main)), 0)
    quick = (
        f"**A quick run with {main:,} keys**, where the time that Python takes to start weighs more than it should. "
    )
    changed = "**The code was changed while this ran, so no figure is of one version.** " if results.changed else ""
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return (
        f"{changed}{quick if results.quick else ''}{results.date}, {results.seconds / 60:.0f} minutes, on a machine with {cores} "
        f"({machine.processor}), {machine.memory / 2**30:.0f} GiB of memory, {machine.system}; servers, clients and "
        f"compressors share the cores. {versions}; code {results.code}. Each figure is the median of {results.rounds} rounds, of data other "
        "than the main set one round; each ratio is of two figures of this run."
    )


def summary(results: Results) -> str:
    """The table that README quotes."""
    rows = [row for name in SHOWN if (row := results.row(results.main, name))]
    return tables.short(rows, f"{rows[0].keys:,} mixed keys" if rows else "nothing was run")


def goals_table(results: Results) -> str:
    """Every goal, what was measured, and whether that is enough."""
    lines = [
        (verdict.goal.case, _measured(verdict), _bound(verdict.goal), _said(verdict)) for verdict in judged(results)
    ]
    return tables.table(("case", "measured", "goal", ""), lines, (0, 3))


def _measured(verdict: Verdict) -> str:
    value, unit = verdict.measured, verdict.goal.unit
    if value is None:
        return tables.NOTHING
    return f"{value:.2f} x" if unit == "x" else f"{value:,.0f} {unit}"


def _bound(goal: Goal) -> str:
    bound = f"{goal.bound:g} x" if goal.unit == "x" else f"{goal.bound:,.0f} {goal.unit}"
    return f"{'at least' if goal.at_least else 'at most'} {bound}"


def _said(verdict: Verdict) -> str:
    missed = f"**missed: {verdict.fault}**" if verdict.fault else "**missed**"
    return {True: "reached", False: missed, None: verdict.why}[verdict.reached]


def _sections(results: Results) -> Iterator[str]:
    for data in dict.fromkeys(row.data for row in results.rows):
        for step in dict.fromkeys(row.step for row in results.each(data)):
            rows = list(results.each(data, step))
            yield f"## {_TITLES[step]}, {rows[0].title}"
            yield _TABLES.get(step, tables.usual)(rows)
    many = [row for row in results.each("10m") if row.kind == "ours"]
    pairs = [(small, row) for row in many if (small := results.row(results.main, row.name))]
    if pairs:
        yield f"## Growth from {pairs[0][0].keys:,} to {pairs[0][1].keys:,} keys"
        yield tables.growth(pairs)

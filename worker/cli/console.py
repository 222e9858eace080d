"""What people see in a shell is made of this: tables, sizes and a progress bar; data goes to standard output, progress to the other."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from worker.progress import Progress, silent

Data = dict[str, Any]


def say(line: str, *, err: bool = False) -> None:
    """Print a line; what could steer a terminal or turn a line round (a key's or a file's name may) is shown as an escape."""
    shown = (char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
    click.echo("".join(shown), err=err)


def show(data: Data, *, as_json: bool, view: Callable[[Data], None]) -> None:
    """Print the data itself, or what a person wants to see of it."""
    if as_json:
        dump(data)
    else:
        view(data)


def dump(data: Data) -> None:
    """Print the data itself."""
    click.echo(json.dumps(data, indent=2, default=str))


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar on standard error while it is a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield silent
        return
    # rich is 100 ms to import: only who sees the bar pays for it.
    if sys.modules.get("rich", sys) is None:
        del sys.modules["rich"]
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[done]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None, done="")

        def amount(count: float, unit: str) -> str:
            return size(count) if unit == "bytes" else f"{count:,.0f} {unit}"

        def report(phase: str, current: int, total: int | None, unit: str) -> None:
            if bar.tasks[task].description != phase:
                # So that its speed is that of this phase.
                bar.reset(task, description=phase, total=total, completed=current)
            speed = bar.tasks[task].speed
            done = amount(current, unit) + (f", {amount(speed, unit)} a second" if speed else "")
            bar.update(task, completed=current, total=total, done=done)

        yield report


def size(count: float) -> str:
    """Bytes for people: 1,234,567 is `1.2 MB`."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def age(seconds: float) -> str:
    """A span of time for people: the two largest units."""
    whole = int(abs(seconds))
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    shown = [f"{number} {unit}" for number, unit in parts if number][:2] or ["0 s"]
    return " ".join(shown) + (" in the future" if seconds < 0 else "")


def number(count: int | None) -> str:
    """A count, or a dash where it is not known."""
    return "-" if count is None else f"{count:,}"


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as they must be; those of numbers and sizes stand to the right."""
    columns = [list(column) for column in zip(header, *rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    right = [all(cell[:1].isdigit() or cell == "-" for cell in column[1:]) for column in columns]
    for row in (header, *rows):
        cells = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        say("  ".join(cells).rstrip())


def facts(rows: list[tuple[str, str]]) -> None:
    """Names and what they stand for, one to a line."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        say(f"{name.ljust(width)}  {value}")


def notes(lines: list[str]) -> None:
    """What a person should know besides, on standard error."""
    for line in lines:
        say(f"Note: {line}", err=True)

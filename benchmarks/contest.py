"""Contestants in turn, round after round, so that what else the machine does meets them all alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.data import Shape
from benchmarks.place import Told
from benchmarks.results import Kind, Round, Row
from benchmarks.servers import tool
from benchmarks.timing import FailedError


@dataclass(frozen=True)
class Outcome:
    """One measurement, what its result lacks (see Row.fault), and the bytes of the file that was made."""

    took: Round
    fault: str | None = None
    stored: int | None = None


@dataclass(frozen=True)
class Contestant:
    """One way to do it."""

    name: str
    kind: Kind
    run: Callable[[], Outcome]
    """Prepares, times, checks; only the middle of these counts."""
    needs: tuple[str, ...] = ()
    """Programs."""
    once: bool = False
    """Whether one round must do, because it takes long or cannot vary."""


def contest(step: str, shape: Shape, contestants: Sequence[Contestant], rounds: int, told: Told) -> list[Row]:
    """Let them compete; one that fails, or lacks a program, says so in its row."""
    rows = [
        Row(step=step, data=shape.name, title=shape.title, keys=shape.keys, name=one.name, kind=one.kind)
        for one in contestants
    ]
    for number in range(rounds):
        for one, row in zip(contestants, rows, strict=True):
            if row.missing or (one.once and number):
                continue
            if absent := [name for name in one.needs if tool(name) is None]:
                row.missing = f"{' and '.join(absent)} not on this machine"
                continue
            try:
                _enter(row, one.run())
            except FailedError as error:
                # Its words may hold names of folders, which are nobody's business but of whoever runs this.
                row.missing = "failed"
                told(f"{one.name} failed: {error}")
            told(f"{step}, {shape.title}, round {number + 1} of {rounds}: {_said(row)}")
    return rows


def _enter(row: Row, outcome: Outcome) -> None:
    row.rounds.append(outcome.took)
    row.stored = outcome.stored if outcome.stored is not None else row.stored
    # A result that was wrong once is wrong.
    row.fault = row.fault or outcome.fault


def _said(row: Row) -> str:
    if row.missing:
        return f"{row.name}: {row.missing}"
    return f"{row.name}: {row.rounds[-1].seconds:.2f} s{f', {row.fault}' if row.fault else ''}"

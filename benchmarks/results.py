"""What came out of a run: rows, each with its rounds; written as JSON, so that it can be told again."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Literal

from pydantic import BaseModel

Kind = Literal["ours", "peer", "floor"]
WHOLE = ""
"""The fault of a result that was compared and lacks nothing."""


class Round(BaseModel):
    """One measurement: seconds by the clock, seconds of processor time, bytes of memory at the peak."""

    seconds: float
    user: float = 0
    system: float = 0
    peak: int = 0
    figures: dict[str, float] = {}
    """What else was measured, by name."""


class Row(BaseModel):
    """One contestant with one set of data."""

    step: str
    data: str
    """The name of a set of data."""
    title: str
    """What that holds, in words."""
    keys: int
    name: str
    kind: Kind
    rounds: list[Round] = []
    stored: int | None = None
    """Bytes of the file that it made."""
    fault: str | None = None
    """What its result lacks, in words; WHOLE, or None where there is nothing to compare."""
    missing: str | None = None
    """Why there was no contest: a program that this machine does not have."""

    def figure(self, name: str) -> float | None:
        """The median over the rounds; `keys/s` is made of the seconds."""
        if name == "keys/s":
            seconds = self.figure("seconds")
            return self.keys / seconds if seconds else None
        if name == "stored":
            return self.stored
        found = [value for one in self.rounds if (value := _of(one, name)) is not None]
        return median(found) if found else None


def _of(one: Round, name: str) -> float | None:
    found = getattr(one, name, None) if name in Round.model_fields else one.figures.get(name)
    return None if found is None else float(found)


class Machine(BaseModel):
    """Where it ran; nothing that tells whose it is."""

    cores: int
    processor: str
    memory: int
    """Bytes."""
    system: str
    versions: dict[str, str]


class Results(BaseModel):
    """One run."""

    machine: Machine
    date: str
    main: str
    """The name of the data that the goals are about."""
    rounds: int
    quick: bool
    code: str = ""
    """A fingerprint of the program that was measured."""
    changed: bool = False
    """Whether that was another one at the end."""
    seconds: float = 0
    rows: list[Row] = []

    def each(self, data: str | None = None, step: str | None = None) -> Iterator[Row]:
        """The rows of that data and that step."""
        return (row for row in self.rows if data in (None, row.data) and step in (None, row.step))

    def row(self, data: str, name: str) -> Row | None:
        """The row of that name, if it was run."""
        return next((row for row in self.each(data) if row.name == name), None)


def save(results: Results, path: Path) -> None:
    """Write them."""
    path.write_text(results.model_dump_json(indent=1, exclude_defaults=True) + "\n")


def load(path: Path) -> Results:
    """Read them."""
    return Results.model_validate_json(path.read_text())

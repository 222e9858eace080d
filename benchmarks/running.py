"""Which steps go with which data, in which order; what was left out is not run, and nobody waits for its data."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import backing_up, dashboard, looking, machine, many, offsite, restoring, sizes, streaming, traffic
from benchmarks.data import Shape, huge, mixed, tiny
from benchmarks.loaded import Loaded, loaded
from benchmarks.made import Backup, back_up
from benchmarks.place import Place, Told, opened
from benchmarks.results import Results, Row

STEPS = ("backup", "look", "restore", "stream", "offsite", "size", "traffic", "queue", "dashboard", "catalogue")
SETS = ("main", "tiny", "10m", "huge")
MAIN_KEYS, QUICK_KEYS, MANY_KEYS = 1_000_000, 100_000, 10_000_000
SIZE_KEYS = 100_000
"""Enough to tell what a compression makes of a key."""


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    keys: int = MAIN_KEYS
    rounds: int = 3
    quick: bool = False
    requests: int = 300_000
    """Of redis-benchmark, for each measurement."""
    taps: int = 15
    """How often what takes milliseconds is measured."""
    chosen: frozenset[str] = field(default_factory=lambda: frozenset((*STEPS, *SETS)))
    """Steps and sets of data."""
    folder: Path | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing was left out or made smaller."""
        return not self.quick and self.keys == MAIN_KEYS and self.chosen >= {*STEPS, *SETS}


def run(options: Options, told: Told, keep: Callable[[Results], None]) -> Results:
    """Run all of it; `keep` is given what there is after each step, for a run of half an hour may be cut short."""
    began, main = time.monotonic(), mixed(options.keys)
    results = Results(
        machine=machine.look(),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        main=main.name,
        code=machine.code(),
        rounds=options.rounds,
        quick=options.quick,
    )
    with opened(told, options.folder) as place:
        for rows in _steps(options, place, main):
            results.rows += rows
            results.seconds = round(time.monotonic() - began)
            keep(results)
    results.changed = machine.code() != results.code
    results.seconds = round(time.monotonic() - began)
    return results


def _steps(options: Options, place: Place, main: Shape) -> Iterator[list[Row]]:
    if "dashboard" in options.chosen:
        yield dashboard.run(place, options.taps)
    if "catalogue" in options.chosen:
        yield many.run(place, options.taps, quick=options.quick)
    if "size" in options.chosen:
        with loaded(place, mixed(min(SIZE_KEYS, options.keys))) as held:
            yield sizes.run(held)
    shapes: dict[str, Shape] = {"main": main, "tiny": tiny(options.keys), "10m": mixed(MANY_KEYS), "huge": huge()}
    for name, shape in shapes.items():
        steps = _of_main(options) if name == "main" else _OF_OTHERS
        steps = {step: doing for step, doing in steps.items() if step in options.chosen}
        if name in options.chosen and steps:
            place.told(f"making {shape.title}")
            with loaded(place, shape) as held:
                # Others restore from it and look at it, so it is there before the first contest.
                backup = back_up(held)
                for doing in steps.values():
                    yield doing(held, backup)


Step = Callable[[Loaded, Backup], list[Row]]


def _of_main(options: Options) -> dict[str, Step]:
    """Everything, in several rounds."""
    rounds = options.rounds
    return {
        "backup": lambda held, _: backing_up.run(held, rounds),
        "look": lambda held, backup: looking.run(held, backup, rounds),
        "restore": lambda held, backup: restoring.run(held, backup, rounds),
        "stream": lambda held, _: streaming.run(held, rounds),
        "offsite": lambda held, backup: offsite.run(held, backup, rounds),
        "traffic": lambda held, backup: traffic.run(held, backup, rounds, options.requests),
        "queue": lambda held, _: dashboard.queue(held.place, held.shape, held.server),
    }


_OF_OTHERS: dict[str, Step] = {
    "backup": lambda held, _: backing_up.run(held, 1, lean=held.shape.keys >= MANY_KEYS),
    "look": lambda held, backup: looking.run(held, backup, 1),
    "restore": lambda held, backup: restoring.run(held, backup, 1, lean=held.shape.keys >= MANY_KEYS),
}

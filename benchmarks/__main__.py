"""`make bench`, or `python -m benchmarks`: run what was asked for, show it, write it down."""

import signal
import sys
import time
from pathlib import Path

import click

from benchmarks import report, results
from benchmarks.place import ROOT
from benchmarks.running import MAIN_KEYS, QUICK_KEYS, SETS, STEPS, Options, run
from benchmarks.timing import FailedError
from worker.errors import BackupSystemError

PUBLISHED, SCRATCH = ROOT / "benchmarks", ROOT / "var/benchmarks"


def chosen(only: str, without: str) -> frozenset[str]:
    """Steps and sets of data. Naming a step leaves all data, naming data leaves all steps."""
    everything = (*STEPS, *SETS)
    names = [frozenset(filter(None, text.split(","))) for text in (only, without)]
    for unknown in (names[0] | names[1]) - {*everything}:
        raise click.UsageError(f"{unknown!r} is none of {', '.join(everything)}.")
    wanted, unwanted = names
    kept = frozenset(name for kind in (STEPS, SETS) for name in (wanted & {*kind} or kind))
    return kept - unwanted


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help=f"{QUICK_KEYS:,} keys, and neither huge nor 10m: under five minutes.")
@click.option("--keys", type=click.IntRange(min=1), help=f"How many the main data has (default: {MAIN_KEYS:,}).")
@click.option("--rounds", type=click.IntRange(min=1), help="How often each contest is held (default: 3).")
@click.option("--only", default="", metavar="LIST", help=f"Of {','.join(STEPS)} and {','.join(SETS)}.")
@click.option("--without", default="", metavar="LIST", help="Of the same.")
@click.option("--folder", type=click.Path(path_type=Path, exists=True), help="Where data may lie while it runs.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the report goes (default: benchmarks/ for a whole run, else var/benchmarks/).",
)
@click.option("--again", is_flag=True, help="Only write the report anew, from the results.json that is there.")
def main(quick: bool, only: str, without: str, out: Path | None, again: bool, **more: object) -> None:
    """Time this program and its peers side by side, and write the report.

    A report in benchmarks/ is quoted by README.md.
    """
    options = options_of(quick, chosen(only, without), **more)  # type: ignore[arg-type]
    out = out or (PUBLISHED if options.whole or again else SCRATCH)
    if again:
        found = results.load(out / report.JSON)
    else:
        SCRATCH.mkdir(parents=True, exist_ok=True)
        found = run(options, Clock(), lambda so_far: results.save(so_far, SCRATCH / report.JSON))
        out.mkdir(parents=True, exist_ok=True)
        results.save(found, out / report.JSON)
    report.write(found, out, ROOT / "README.md" if out.resolve() == PUBLISHED else None)
    click.echo(report.goals_table(found))
    click.echo(f"Written: {out / report.RESULTS}", err=True)


def options_of(
    quick: bool, chosen: frozenset[str], keys: int | None, rounds: int | None, folder: Path | None
) -> Options:
    """What was asked for, with what follows from it."""
    if quick:
        small = Options(quick=True, keys=QUICK_KEYS, rounds=3, requests=30_000, taps=7)
        options = Options(**{**small.__dict__, "chosen": chosen - {"huge", "10m"}})
    else:
        options = Options(chosen=chosen)
    given = {"keys": keys, "rounds": rounds, "folder": folder}
    return Options(**{**options.__dict__, **{name: value for name, value in given.items() if value is not None}})


class Clock:
    """Says on standard error what is going on, and since when.

    Whoever was told to stop stops with the next line at the latest: an interrupt that comes in a destructor is lost.
    """

    def __init__(self) -> None:
        self._began, self._is_stopped = time.monotonic(), False
        # Like Ctrl-C: servers are ended, and what they wrote is taken away.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        self._is_stopped = True
        raise KeyboardInterrupt

    def __call__(self, words: str) -> None:
        """One line."""
        if self._is_stopped:
            raise KeyboardInterrupt
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        click.echo(f"{minutes:3}:{seconds:02}  {words}", err=True)


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo(f"Stopped, and no server is left; what was measured is in {SCRATCH / report.JSON}.", err=True)
        sys.exit(1)
    except (FailedError, BackupSystemError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)

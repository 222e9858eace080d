"""`make soak`, or `python -m tests.soak`: faults for so many minutes, then every promise is checked; exit code 1 if one broke."""

import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.soak.soak import soak
from worker import logs


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), default=10, show_default=True)
@click.option("--seed", type=int, help="The same faults once more (default: another each time).")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="A new one; it is kept afterwards.")
def main(minutes: float, seed: int | None, folder: Path | None) -> None:
    """Run a broker, a source, a target, a worker and a beat under random faults, and check all promises at the end."""
    seed = random.randrange(10**6) if seed is None else seed  # noqa: S311 - dice, no secret
    click.echo(f"seed {seed}: {minutes:g} minutes; once more with --seed {seed}")
    place = Path(tempfile.mkdtemp(prefix="soak-")) if folder is None else folder
    place.mkdir(parents=True, exist_ok=folder is None)
    # Read when the first setting is: all that signs here is one machine.
    os.environ["BACKUP_STATE"] = str(place / "signing")
    logs.configure("CRITICAL", "text")
    outcome = soak(place, minutes, seed, click.echo)
    click.echo(outcome.report())
    if folder is None and outcome.held:
        shutil.rmtree(place, ignore_errors=True)
    else:
        click.echo(f"What it left, with the logs: {place}")
    sys.exit(0 if outcome.held else 1)


if __name__ == "__main__":
    main()

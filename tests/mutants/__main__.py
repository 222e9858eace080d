"""`python -m tests.mutants`: make mistakes in the code, one after another, and tell which ones no test noticed."""

import random
import sys

import click

from tests.mutants.mutants import Mutant, mutants
from tests.mutants.rooms import ROOMS, modules, sample_size
from tests.mutants.trial import passes


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--room", "rooms", type=click.Choice(ROOMS), multiple=True, help="Only of these (default: all).")
@click.option("--module", metavar="PATH", help="Only of this one, such as storage/local.py.")
@click.option("--number", type=click.IntRange(0), help="Only the one of that number of each module.")
@click.option("--sample", is_flag=True, help="Only those that the slow tests try.")
@click.option("--draw", type=click.IntRange(1), help="Only so many, drawn by --seed.")
@click.option("--seed", type=int, default=1, show_default=True, help="For another draw.")
@click.option("--list", "only_list", is_flag=True, help="Try none, only name them.")
def main(rooms: tuple[str, ...], module: str | None, seed: int, only_list: bool, **which: int | None) -> None:
    """Make mistakes in the code, one after another, and tell which ones no test noticed.

    Each is tried in a copy of the tree. All of them are thousands, and each takes up to a minute. Ends with 1 where one
    was not noticed.
    """
    names = [module] if module else [name for room in rooms or ROOMS for name in modules(room)]
    chosen = [mutant for name in names for mutant in mutants(name)[part(name, which["number"], bool(which["sample"]))]]
    if which["draw"]:
        chosen = random.Random(seed).sample(chosen, min(which["draw"], len(chosen)))  # noqa: S311 - no secret
    if only_list:
        click.echo("\n".join(map(str, chosen)))
    elif not try_out(chosen):
        sys.exit(1)


def part(module: str, number: int | None, sample: bool) -> slice:
    """Which of a module's mutants, from the first."""
    if number is not None:
        return slice(number, number + 1)
    return slice(sample_size(module) if sample else None)


def try_out(chosen: list[Mutant]) -> bool:
    """Whether all were noticed; tells of each, and the figure."""
    missed = 0
    for tried, mutant in enumerate(chosen, 1):
        noticed = not passes(mutant.module, mutant.code)
        missed += not noticed
        click.echo(f"{'noticed    ' if noticed else 'NOT NOTICED'} {mutant}")
        click.echo(f"{tried - missed} of {tried}, {len(chosen)} in all", err=True)
    click.echo(f"{len(chosen) - missed} of {len(chosen)} noticed")
    return not missed


if __name__ == "__main__":
    main()

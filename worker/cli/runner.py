"""How a verb is run from a shell: its arguments checked, something looked up, a yes asked for."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click

from worker import logs
from worker.cli import console
from worker.config import validation
from worker.config.settings import load
from worker.config.validation import Arguments
from worker.errors import RefusedError
from worker.progress import Progress

Data = dict[str, Any]


def verb(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """A command with --json: data on standard output and nothing else there."""

    def command(function: Callable[..., None]) -> click.Command:
        @click.command(name)
        @click.option("--json", "as_json", is_flag=True, help="Data as JSON on standard output.")
        @wraps(function)
        def run(**options: Any) -> None:
            # Events are for machines: in a shell they come only when LOG_LEVEL asks for them.
            settings = load()
            logs.configure(settings.log_level if "LOG_LEVEL" in os.environ else "CRITICAL", settings.log_format)
            function(**options)

        return run

    return command


@contextmanager
def looked_up(operation: str) -> Iterator[Progress]:
    """A run that changes nothing: in the log, with a bar on a terminal, and remembered nowhere."""
    with logs.run(str(uuid.uuid4()), operation), console.progress() as progress:
        yield progress


def checked(model: type[Arguments], **arguments: Any) -> Arguments:
    """The arguments of a verb, checked by the same model as the task's; what was not given is left to its default."""
    return validation.checked(model, {name: value for name, value in arguments.items() if value not in (None, ())})


def confirm(question: str) -> None:
    """Go on only after a yes. RefusedError after anything else, or when nobody is there to answer."""
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)
        raise RefusedError("Nobody answered, so nothing was changed: --yes goes on without asking.") from None
    if not agreed:
        raise RefusedError("Nothing was changed.")

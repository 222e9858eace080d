"""What a verb does from a shell as a run, which is remembered where there is a broker."""

import uuid
from collections.abc import Callable

from pydantic import BaseModel

from worker.alerts import events
from worker.cli import console
from worker.cli.runner import Data
from worker.cli.stopping import stoppable
from worker.config.settings import load
from worker.errors import BackupSystemError
from worker.progress import Progress, both
from worker.repository.behalf import at_shell
from worker.runs.recorder import Check, Recording, accepted, perform
from worker.runs.run import here, new

Show = Callable[[Data], None]


def unseen(_: Data) -> None:
    """Shows nothing."""


def performed(  # noqa: PLR0913 - what a run is, what does it, and three that few need
    operation: str,
    arguments: BaseModel,
    verb: Callable[[Progress], Data],
    check: Check = accepted,
    shown: Show = unseen,
    *,
    scheduled: bool = False,
) -> Data:
    """One run with a bar on a terminal, remembered where there is a broker. What came of it is `shown`, also where it did not
    come to its end, and `check` is told of it.

    Whether it is `scheduled` nobody but whoever calls can know: a script may be a schedule's, or somebody's own.
    """
    fields = arguments.model_dump(mode="json", exclude_unset=True)
    run = new(str(uuid.uuid4()), operation, fields, str(at_shell(here(), scheduled=scheduled)))
    recording = Recording(load(), run, patience=0)

    def checked(value: Data) -> None:
        shown(value)
        check(value)

    try:
        with console.progress() as bar, stoppable(bar) as bar_report:
            return perform(recording, lambda report: verb(both(report, bar_report)), checked)
    except BackupSystemError as error:
        if error.report is not None:
            shown(error.report)
        raise
    finally:
        events.ended(load(), recording.run)

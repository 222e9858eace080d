"""What came to whoever listens, held against what is remembered of alerts and runs: I11 to I13."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.soak.stage import Stage
from tests.support.processes import eventually, sender
from worker.alerts import memory
from worker.alerts.changes import AGAIN, OVER
from worker.errors import BackupSystemError
from worker.notify import outbox
from worker.notify.channels import channels
from worker.notify.deliver import forgive
from worker.repository import catalogue
from worker.runs import operations
from worker.runs.run import Run
from worker.storage.local import Folder

if TYPE_CHECKING:
    from tests.soak.promises import Evidence

SECONDS_TO_HEAR = 90


def heard_all(stage: Stage) -> bool:
    """Wait for all to be heard that is to be told by now, no longer than is promised."""
    stage.hearer.status = 200
    app, settings, [channel] = sender(stage.env), stage.settings, channels(stage.settings)

    def heard() -> bool:
        with contextlib.suppress(BackupSystemError):
            # The pause after the last failure may be minutes; a trial of the channels ends it as well.
            forgive(settings, channel.name)
            app.send_task("worker.tasks.notify", expires=1)
            known = memory.read(settings)
            return not outbox.waiting(settings, channel) and not (known and known.waiting)
        return False

    with contextlib.suppress(AssertionError):
        return bool(eventually(heard, "all to be heard", SECONDS_TO_HEAR))
    return False


def _told(stage: Stage) -> dict[str, dict[str, Any]]:
    """Each message once, by its id: those that came, and those that wait."""
    settings, [channel] = stage.settings, channels(stage.settings)
    known = memory.read(settings)
    waiting = [*outbox.waiting(settings, channel), *map(outbox.new, known.waiting if known else ())]
    documents = [each.message.model_dump(mode="json") | {"id": each.id} for each in waiting]
    return {each["id"]: each for each in (*_came(stage), *documents)}


def _came(stage: Stage) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in stage.hearer.taken]


def each_change_is_told_once(evidence: "Evidence") -> Iterator[str]:
    stage = evidence.stage
    if not evidence.heard:
        yield f"something still waits {SECONDS_TO_HEAR} s after whoever hears of it was back"
    if lost := sum(outbox.lost(stage.settings).values()):
        yield f"{lost} messages were given up"
    twice = Counter(each["id"] for each in _came(stage))
    if (more := sum(twice.values()) - len(twice)) > stage.troubles:
        yield f"{more} messages came once more, after {stage.troubles} faults"
    told = _told(stage).values()
    yield from _states(stage, [each for each in told if not each["key"].startswith("run:")])
    yield from _ends(evidence, Counter(each["key"] for each in told))


def _states(stage: Stage, told: list[dict[str, Any]]) -> Iterator[str]:
    """An emptied broker has what is open told once more, and forgets what is to be over."""
    known, emptied = memory.read(stage.settings), len(stage.emptied)
    is_open = {alert.key for alert in known.open if alert.told_at} if known else set[str]()
    begun = Counter(each["key"] for each in told if not each["event"].endswith((OVER, AGAIN)))
    over = Counter(each["key"] for each in told if each["event"].endswith(OVER))
    for key in begun.keys() | over.keys() | is_open:
        more = begun[key] - over[key] - (key in is_open)
        if not 0 <= more <= emptied:
            state = "open" if key in is_open else "over"
            yield f"{key} is {state}, and was told {begun[key]} times, as over {over[key]} times"


def _ends(evidence: "Evidence", told: Counter[str]) -> Iterator[str]:
    last = datetime.fromtimestamp(max(evidence.stage.emptied, default=0), evidence.over.tzinfo)
    for run in evidence.runs:
        number = told[f"run:{run.id}"]
        if _is_told(run) and (number > 1 or (number == 0 and run.ended_at and run.ended_at > last)):
            yield f"{run.operation} {run.id}, {run.state}, was told {number} times"


def _is_told(run: Run) -> bool:
    return bool(operations.of(run.operation).counts) and run.ended and not run.skipped


def what_is_suspicious_protects(evidence: "Evidence") -> Iterator[str]:
    yield from evidence.stage.unprotected


def drills_find_the_same(evidence: "Evidence") -> Iterator[str]:
    for where, folder in (("storage", evidence.stage.storage), ("copies", evidence.stage.copies)):
        for backup in catalogue.read(Folder(folder)).listed:
            for drill in (backup.drilled, *(copied.drilled for copied in backup.copies.values())):
                if drill is not None and drill.has_failed:
                    yield f"a drill of {backup.name}, in {where}: {drill.differs[0]}"

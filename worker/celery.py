"""The Celery app. A run is remembered before its task is sent."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from celery import Celery, signals

from worker.backups.schedule import slot
from worker.config.settings import load
from worker.errors import BrokerUnavailableError
from worker.notify import outbox
from worker.repository.behalf import Asker
from worker.runs import ownership
from worker.runs.operations import of_task
from worker.runs.run import here, new
from worker.runs.store import open_runs

app = Celery("worker")
app.config_from_object("celeryconfig")


def _deliver() -> None:
    """Have a worker bring what has just been put there; where none is called, the schedule does within a minute."""
    with suppress(Exception):
        app.send_task("worker.tasks.notify", expires=60, ignore_result=True, retry=False)


outbox.on_put(_deliver)


@signals.before_task_publish.connect
def _remember(headers: dict[str, Any], body: Any, **_: Any) -> None:
    """Write the run down before its message is on its way: also for `celery call`, beat, and a task that is tried again."""
    operation = of_task(headers["task"])
    if operation is None:
        return  # `reap` is no run itself, and anybody can send any name
    ours = "asked_by" in headers
    asked_by = headers.setdefault("asked_by", str(Asker("celery", here())))
    if Asker.parse(asked_by).entry == "daily":
        headers.setdefault("slot", f"daily {slot(load(), datetime.now(UTC)).isoformat()}")
    arguments = body[1] if isinstance(body, (tuple, list)) else {}
    run = new(headers["id"], operation.name, arguments, asked_by)
    # A caller from elsewhere may have other settings than the worker that will take it.
    subject = ownership.subject(load(), operation.name, run.arguments) if ours else {}
    due = {"due_at": datetime.fromisoformat(headers["eta"])} if headers.get("eta") else {}
    # Where the broker is away, the message does not get there either.
    with suppress(BrokerUnavailableError), open_runs(load(), seconds=1) as runs:
        known = runs.get(run.id) or run
        if known.ended:
            return  # Celery tries again what it does not know to have ended: the claim will turn it away.
        if headers.get("retries", 0) > known.attempt:
            again = {"state": "RETRY", "attempt": headers["retries"], **due}
            runs.put(known.model_copy(update=again))
        else:
            runs.add(run.model_copy(update=subject | due))

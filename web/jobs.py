"""Asking a worker to do something, and what came of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from celery import uuid
from celery.exceptions import OperationalError
from pydantic import BaseModel
from werkzeug.exceptions import Forbidden, TooManyRequests

from web.activity import as_seen
from web.auth import Identity
from worker.broker import audit
from worker.broker.scopes import Scope
from worker.celery import app
from worker.config.settings import load_web
from worker.errors import BrokerUnavailableError, BusyError, NotFoundError
from worker.repository.behalf import Asker
from worker.runs import operations
from worker.runs.operations import OPERATIONS, Name
from worker.runs.run import Run
from worker.runs.store import Runs, open_runs

BROKER_SECONDS, LAST_WORD_SECONDS = 2, 0.5
MOST_QUESTIONS = 4
"""Questions of one token that may wait or run at a time."""
MOST_WAITING = 100
"""Of one kind, whoever asked for them."""
SOON_SECONDS = 5
"""The pause for somebody who has too many; most questions take moments."""
_questions = threading.Lock()
POLL_SECONDS = 0.1


def ask(operation: Name, arguments: BaseModel, asked_by: str) -> str:
    """Queue a task for that person: its id. BusyError while another of its kind is under way on the same Redis, for it
    could only wait for that one.

    Raises TooManyRequests for a token with MOST_QUESTIONS under way, or where too many wait, and BrokerUnavailableError within 8 seconds where nobody
    can be asked; then nothing was queued.
    """
    with _one_at_a_time(operation, asked_by):
        with open_runs(load_web(), BROKER_SECONDS) as runs:
            unfinished = [run for run in runs.unfinished() if operations.of(run.operation).queue]
            _refuse_a_crowd(unfinished, operation)
            if _is_counted(operation, asked_by):
                _refuse_too_many(unfinished, asked_by)
            _refuse_a_second(runs, operation, arguments)
        identity: str = uuid()
        try:
            _send(operation, arguments, asked_by, identity)
        except (BrokerUnavailableError, TooManyRequests):
            with suppress(BrokerUnavailableError), open_runs(load_web(), LAST_WORD_SECONDS) as runs:
                runs.forget(identity)
            raise
        return identity


def _is_counted(operation: Name, asked_by: str) -> bool:
    return OPERATIONS[operation].queue == "questions" and Asker.parse(asked_by).kind == "token"


@contextmanager
def _one_at_a_time(operation: Name, asked_by: str) -> Iterator[None]:
    """Questions of tokens that are counted at once would each be the last one that is allowed."""
    if not _is_counted(operation, asked_by):
        yield
        return
    if not _questions.acquire(timeout=BROKER_SECONDS):
        raise TooManyRequests("Others are asking at this moment: try again in a moment.", retry_after=SOON_SECONDS)
    try:
        yield
    finally:
        _questions.release()


def _refuse_a_crowd(unfinished: list[Run], operation: Name) -> None:
    """However many ask: whoever waits is to have an answer some day."""
    if sum(run.operation == operation and run.state == "PENDING" for run in unfinished) >= MOST_WAITING:
        name = OPERATIONS[operation].name
        raise TooManyRequests(
            f"{MOST_WAITING} runs of {name} wait already: wait until some of them are done, or cancel some.",
            retry_after=SOON_SECONDS,
        )


def _refuse_too_many(unfinished: list[Run], asked_by: str) -> None:
    mine = [run for run in unfinished if run.asked_by == asked_by]
    if sum(operations.of(run.operation).queue == "questions" for run in mine) >= MOST_QUESTIONS:
        raise TooManyRequests(
            f"This token has {MOST_QUESTIONS} previews, searches or trials of the storage under way: wait for the end of one, "
            "or cancel one.",
            retry_after=SOON_SECONDS,
        )


def ask_once(operation: Name, arguments: BaseModel, asked_by: str) -> str:
    """The same, for a question without arguments: one that waits for its answer already need not be asked again."""
    with open_runs(load_web(), BROKER_SECONDS) as runs:
        waiting = [run.id for run in runs.ours.unfinished() if run.operation == operation]
    return waiting[0] if waiting else ask(operation, arguments, asked_by)


def _refuse_a_second(runs: Runs, operation: Name, arguments: BaseModel) -> None:
    run = runs.ours.rival(operation, arguments.model_dump(mode="json", exclude_unset=True))
    if run is None:
        return
    doing = "running" if run.state == "STARTED" else "waiting"
    raise BusyError(
        f"A {operation} is {doing} already, run {run.id}, asked for by {run.asked_by}: wait for its end, then try again."
    )


def _send(operation: Name, arguments: BaseModel, asked_by: str, identity: str) -> None:
    """Publish once, by name: the task itself would load all that it takes to do it.

    Celery would otherwise try for 19 seconds, and subscribe to a result that nobody here waits for: it is told that we
    ignore the result, and in a header that the worker must not.
    """
    headers = {"asked_by": asked_by, "ignore_result": False}
    fields = arguments.model_dump(mode="json", exclude_unset=True)
    try:
        app.send_task(
            OPERATIONS[operation].task,
            kwargs=fields,
            task_id=identity,
            headers=headers,
            ignore_result=True,
            retry=False,
        )
    except BusyError as error:
        raise TooManyRequests(str(error), retry_after=SOON_SECONDS) from None
    except (OperationalError, RuntimeError, OSError) as error:
        raise BrokerUnavailableError(
            f"The broker does not take the task ({type(error).__name__}): is it running, and has it memory left?"
        ) from None


def cancel(identity: str, who: Identity) -> None:
    """Have a run end that waits or runs. NotFoundError, RefusedError where it has ended, Forbidden for a token that may not
    have it: of others' runs one with the scope `restore`, of its own one with the scope that it took to ask.
    """
    with open_runs(load_web(), BROKER_SECONDS) as runs:
        run = runs.get(identity)
        if run is not None:
            needed: Scope = operations.of(run.operation).scope if run.asked_by == who.name else "restore"
            if needed not in who.scopes:
                raise Forbidden(f"This token lacks the scope {needed}, which cancelling this run takes.")
        runs.cancel(identity, who.name)
    audit.record(load_web(), who.name, "cancel", "ok", run=identity)


def outcome(identity: str, wait_seconds: float = 0) -> Run:
    """The run of that id, waited for if it has not ended yet. NotFoundError for an id that was never issued."""
    deadline = time.monotonic() + wait_seconds
    with open_runs(load_web(), BROKER_SECONDS) as runs:
        while True:
            run = runs.get(identity)
            if run is None:
                raise NotFoundError("There is no run of that id: it was never asked for, or it is long forgotten.")
            if run.ended or time.monotonic() > deadline:
                return as_seen(run, runs.ours)
            time.sleep(POLL_SECONDS)

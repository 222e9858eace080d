"""Asking a worker to do something, and what came of it."""

from celery import Task
from pydantic import BaseModel

from worker.runs import Run


def ask(task: Task, arguments: BaseModel, asked_by: str) -> str:
    """Queue a task for that person: its id. BusyError while another of its kind is under way on the same Redis.

    Raises BrokerUnavailableError within 8 seconds where nobody can be asked; then nothing was queued.
    """
    raise NotImplementedError


def outcome(identity: str, wait_seconds: float = 0) -> Run:
    """The run of that id, waited for if it has not ended yet. NotFoundError for an id that was never issued."""
    raise NotImplementedError
